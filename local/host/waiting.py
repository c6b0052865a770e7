"""The two kinds of waiting that the host's listeners share: for a stop, and for tasks to end."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from typing import Any


async def stopped_within(stop: asyncio.Event, seconds: float) -> bool:
    """Wait for the event, but no longer than that; returns whether it is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, seconds)):
            await stop.wait()

    return stop.is_set()


async def cut_after(tasks: Collection[asyncio.Task[Any]], seconds: float) -> None:
    """Let tasks finish for so long; the others are cancelled, and waited for."""
    if not tasks:
        return

    _, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:
        task.cancel()

    await asyncio.gather(*late, return_exceptions=True)
