"""A process that dies at a chosen step: just before, or just after, one of its calls outside.

The clients are the real ones; what is added is where the work stops. A dead process removes no due
row: removals that nobody waits for are dropped, which is the worst that can become of them.
"""

import copy
import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

from offer_cancellation.portal.apis import Apis
from offer_cancellation.portal.decision import Api
from offer_cancellation.services import Services
from offer_cancellation.storage import Copy

# The calls that change something outside, or that a decision is made from. What maintenance reads
# beside them is left out: steps would have another order each time.
STEPS = {
    "ledger": ("insert", "save", "find"),
    "outcomes": ("send", "send_refusal"),
    "requests": ("send",),
    "rejected": ("keep",),
    "poison": ("receive", "hide", "delete"),
}
_CALLS = "apis"
_STEPS_BY_NAME = {**STEPS, _CALLS: ("call",)}


class Crash(BaseException):
    """The process is gone: nothing in the app may catch this."""


class Wire:
    """Counts steps, and ends the work at one of them."""

    def __init__(self, crash_at: int) -> None:
        self.crash_at = crash_at
        self.steps: list[str] = []
        self.received: list[Copy] = []  # from the poison queue

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
        if attribute == "remove_soon":
            return lambda _: None
        value = getattr(self._real, attribute)
        if attribute not in _STEPS_BY_NAME[self._name]:
            return value

        return self._wired(f"{self._name}.{attribute}", value)

    def _wired(
        self, name: str, call: Callable[..., Awaitable[Any]]
    ) -> Callable[..., Awaitable[Any]]:
        async def wired_call(*arguments: Any, **named: Any) -> Any:
            self._wire.step(f"before {name}")
            result = await call(*arguments, **named)
            if name == "poison.receive":
                self._wire.received += result
            self._wire.step(f"after {name}")
            return result

        return wired_call


def wired(services: Services, wire: Wire) -> Services:
    """The same services, each such call between two steps of the wire."""
    replaced: dict[str, Any] = {name: _Wired(name, getattr(services, name), wire) for name in STEPS}
    apis = Apis(
        *(
            _with_wired_client(api, wire)
            for api in (services.apis.cloud_partner, services.apis.submission)
        )
    )
    return dataclasses.replace(services, apis=apis, **replaced)


def _with_wired_client(api: Api, wire: Wire) -> Api:
    """The same adapter, each of its calls between two steps."""
    wired_api: Any = copy.copy(api)
    wired_api._client = _Wired(_CALLS, wired_api._client, wire)
    found: Api = wired_api
    return found
