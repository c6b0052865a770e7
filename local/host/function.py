"""A function as the host calls it, and the waiting its listeners share.

What a trigger brings is turned into the function's input by the SDK's own converters, as the
worker does it. What an outcome means is the listener's business.
"""

import asyncio
import inspect
import logging
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

import azure.functions as func
from azure.functions.meta import Datum

_logger = logging.getLogger("local.host")


class TriggeredFunction(Protocol):
    """What a listener calls."""

    async def invoke(self, data: Datum, metadata: Mapping[str, Datum]) -> bool:
        """Run it with what the trigger brought; returns whether it succeeded."""


@dataclass(frozen=True, slots=True)
class HostedFunction:
    """A user function, sync or async, its only parameter, its trigger, how long it may take."""

    name: str
    parameter: str
    call: Callable[..., Any]
    timeout: timedelta | None = None
    trigger: str = "queueTrigger"

    async def invoke(self, data: Datum, metadata: Mapping[str, Datum]) -> bool:
        """Run it with what the trigger brought; metadata that cannot be decoded is a failure."""
        converter = func.get_binding_registry().get(self.trigger)  # type: ignore[no-untyped-call]
        try:
            value = converter.decode(data, trigger_metadata=metadata)
        except ValueError:
            _logger.exception("function.failed", extra={"function": self.name, "seconds": 0})
            return False
        return await self(value)

    async def __call__(self, value: object) -> bool:
        """Run it; returns whether it succeeded. What it raised is logged, and goes no further."""
        started = time.monotonic()
        arguments = {self.parameter: value}
        try:
            async with asyncio.timeout(self.timeout.total_seconds() if self.timeout else None):
                if inspect.iscoroutinefunction(self.call):
                    await self.call(**arguments)
                else:
                    await asyncio.to_thread(self.call, **arguments)
        except Exception:
            fields = {"function": self.name, "seconds": round(time.monotonic() - started, 3)}
            _logger.exception("function.failed", extra=fields)
            return False
        return True


async def stopped_within(stop: asyncio.Event, seconds: float) -> bool:
    """Wait, but no longer than it takes until the host shall stop; returns whether it shall."""
    with suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, seconds)):
            await stop.wait()
    return stop.is_set()


async def drain(tasks: Collection[asyncio.Task[Any]], seconds: float) -> None:
    """Let tasks finish; those that take longer are cancelled, and waited for."""
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=seconds)
    if late:
        _logger.warning("host.drain_gave_up", extra={"tasks": len(late)})
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
