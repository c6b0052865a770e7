"""A process that dies at a chosen step: just before, or just after, one of its calls outside.

The clients are the real ones; what is added is where the work stops.
"""

import dataclasses
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, cast

from offer_cancellation.services import Services

OUTSIDE = ("ledger", "portal", "outcomes", "requests", "poison")


class Crash(BaseException):
    """The process is gone: nothing in the app may catch this."""


class Wire:
    """Counts steps, and ends the work at one of them."""

    def __init__(self, crash_at: int) -> None:
        self.crash_at = crash_at
        self.steps: list[str] = []

    @property
    def has_crashed(self) -> bool:
        """Whether there were that many steps."""
        return len(self.steps) >= self.crash_at

    def step(self, name: str) -> None:
        """One more step; from the chosen one on, nothing goes on."""
        self.steps.append(name)
        if self.has_crashed:
            raise Crash(name)


class _Wired:
    def __init__(self, name: str, real: object, wire: Wire) -> None:
        self._name, self._real, self._wire = name, real, wire

    def __getattr__(self, attribute: str) -> object:
        value = getattr(self._real, attribute)
        if not inspect.iscoroutinefunction(value):
            return value
        call = cast("Callable[..., Awaitable[Any]]", value)

        async def wired(*arguments: Any, **named: Any) -> Any:
            self._wire.step(f"before {self._name}.{attribute}")
            result = await call(*arguments, **named)
            self._wire.step(f"after {self._name}.{attribute}")
            return result

        return wired


def wired(clients: Services, wire: Wire) -> Services:
    """The same clients, each call outside two steps of the wire."""
    replaced: dict[str, Any] = {
        name: _Wired(name, getattr(clients, name), wire) for name in OUTSIDE
    }
    return dataclasses.replace(clients, **replaced)
