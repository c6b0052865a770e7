"""A function of the app as a trigger calls it: with what it brought; the result is a yes or a no.

What a trigger brings is turned into the function's input by the SDK's own converters, as
Microsoft's worker does it. What an outcome means is the listener's business.
"""

import asyncio
import inspect
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import azure.functions as func
from azure.functions.meta import Datum

_logger = logging.getLogger("local.host")


class TriggeredFunction(Protocol):
    """What a listener calls."""

    async def invoke(self, data: Datum, metadata: Mapping[str, Datum]) -> bool:
        """Run it with what the trigger brought; returns whether it succeeded."""


@dataclass(frozen=True, slots=True)
class UserFunction:
    """A function of the app, sync or async, with its only parameter and the type of its trigger."""

    name: str
    parameter: str
    call: Callable[..., Any]
    trigger: str = "queueTrigger"

    async def invoke(self, data: Datum, metadata: Mapping[str, Datum]) -> bool:
        """Run it; metadata that cannot be converted is a failure before the app is called."""
        started = time.monotonic()
        converter = func.get_binding_registry().get(self.trigger)  # type: ignore[no-untyped-call]
        try:
            value = converter.decode(data, trigger_metadata=metadata)
            await self._run({self.parameter: value})
        except Exception:
            fields = {"function": self.name, "seconds": round(time.monotonic() - started, 3)}
            _logger.exception("function.failed", extra=fields)
            return False

        return True

    async def _run(self, arguments: Mapping[str, object]) -> None:
        if inspect.iscoroutinefunction(self.call):
            await self.call(**arguments)
        else:
            await asyncio.to_thread(self.call, **arguments)
