"""Computes how long to wait before the next poll or attempt."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from offer_cancellation.clock import after

Jitter = Callable[[], float]  # 0 ≤ jitter() < 1, as random.random


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential with jitter, between `first` and `limit` seconds.

    The jitter spreads over the upper half of each step, so that what failed together does not
    come back together.
    """

    first: float
    limit: float
    jitter: Jitter

    def seconds(self, tries: int, retry_after: float | None = None) -> float:
        """The wait after `tries` tries before this one; a Retry-After of the API wins."""
        if retry_after is not None:
            return retry_after

        upper = self._upper(tries)
        lower = max(self.first, upper / 2)
        return lower + (upper - lower) * self.jitter()

    def until(self, now: datetime, tries: int, retry_after: float | None = None) -> datetime:
        """The moment when that wait ends."""
        return after(now, self.seconds(tries, retry_after))

    def spread(self, pause_end: datetime, tries: int) -> datetime:
        """A moment after a common pause, apart from those of the other requests."""
        return after(pause_end, self._upper(tries) * self.jitter())

    def next(
        self,
        now: datetime,
        tries: int,
        retry_after: float | None = None,
        paused_until: datetime | None = None,
    ) -> datetime:
        """When to try again: some time after a pause, else after the wait of so many tries."""
        if paused_until:
            return self.spread(paused_until, tries)

        return self.until(now, tries, retry_after)

    def _upper(self, tries: int) -> float:
        return min(self.limit, self.first * 2.0 ** min(tries + 1, 32))
