"""Watches what a call puts on the wire: whether anything left, and when.

aiohttp says so by itself: its exceptions tell apart neither what was sent from what was not, nor
the first sending from the second.
"""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace

import aiohttp


class SentTwiceError(aiohttp.ClientError):
    """aiohttp was about to repeat a request that must go out once."""


@dataclass(slots=True)
class Wire:
    """One call. `is_repeatable`: aiohttp may send it again when its connection was dead."""

    is_repeatable: bool
    sent_at: datetime | None = None

    def watch(self) -> None:
        """From here on, what this task sends is this call."""
        _CURRENT.set(self)


_CURRENT: ContextVar[Wire] = ContextVar("offer_cancellation.wire")


def watching(clock: Callable[[], datetime]) -> aiohttp.TraceConfig:
    """What makes an aiohttp session tell the `Wire` of the current task."""

    async def begin(
        _: aiohttp.ClientSession, __: SimpleNamespace, ___: aiohttp.TraceRequestHeadersSentParams
    ) -> None:
        """Called just before the first byte leaves."""
        wire = _CURRENT.get()
        if wire.sent_at and not wire.is_repeatable:
            raise SentTwiceError("the request was sent before")

        wire.sent_at = clock()

    config = aiohttp.TraceConfig()
    config.on_request_headers_sent.append(begin)
    return config
