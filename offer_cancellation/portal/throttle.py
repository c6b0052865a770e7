"""Keeps one pace for the whole process: a 429 pauses everything that is sent to the API.

    429 ─► paused (Retry-After, else backoff) ─► one call at a time ─► 2 ─► 4 ─► … ─► no limit
                 ▲                                     │ other answers
                 └──────────────── 429 ────────────────┘

So after a pause at most one call meets a 429 before the next one begins.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime

from offer_cancellation.backoff import Backoff

UNLIMITED = 256  # calls at once from which on nothing is held back


class Throttle:
    """Shared by everything that this process sends to the API."""

    def __init__(self, backoff: Backoff, clock: Callable[[], datetime]) -> None:
        self._backoff = backoff
        self._clock = clock
        self._paused_until: datetime | None = None
        self._read_at: datetime | None = None  # when the clock was read last
        self._pauses = 0  # since the last answer other than 429
        self._limit = UNLIMITED
        self._in_flight = 0
        self._changed = asyncio.Condition()

    def paused_until(self) -> datetime | None:
        """When the pause ends; None when there is none."""
        now, end = self._now(), self._paused_until
        return end if end and now < end else None

    async def enter(self) -> datetime | None:
        """Waits for a call's turn. None: go, and `leave` afterwards; else the pause's end."""
        async with self._changed:
            while (end := self.paused_until()) is None and self._in_flight >= self._limit:
                await self._changed.wait()

            if end is None:
                self._in_flight += 1
            return end

    async def leave(
        self, *, refused: bool | None, retry_after: float | None = None
    ) -> datetime | None:
        """The call is over; the pause's end when it begins one.

        `refused`: it was answered 429, with a Retry-After of `retry_after` seconds; None: it had
        no answer at all.
        """
        async with self._changed:
            self._in_flight -= 1
            end = self._pause(retry_after) if refused else None
            if refused is False and not self.paused_until():
                self._pauses = 0
                self._limit = min(self._limit * 2, UNLIMITED)

            self._changed.notify_all()
            return end

    def _pause(self, retry_after: float | None) -> datetime:
        """What was in flight together escalates once."""
        if not self.paused_until():
            self._pauses += 1

        end = self._backoff.until(self._now(), self._pauses - 1, retry_after)
        self._paused_until = max(self._paused_until or end, end)
        self._limit = 1
        return self._paused_until

    def _now(self) -> datetime:
        """The time. A clock that was set back takes the pause's end back with it."""
        now = self._clock()
        if self._read_at and self._paused_until and now < self._read_at:
            self._paused_until -= self._read_at - now

        self._read_at = now
        return now
