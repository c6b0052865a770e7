"""A function as the host calls it, and the waiting its listeners share.

It knows nothing of triggers: what makes the input, and what an outcome means, is theirs.
"""

import asyncio
import inspect
import logging
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

_logger = logging.getLogger("local.host")


@dataclass(frozen=True, slots=True)
class HostedFunction:
    """A user function, sync or async, its only parameter, and how long it may take."""

    name: str
    parameter: str
    call: Callable[..., Any]
    timeout: timedelta | None = None

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
