"""How long to wait before the next poll or attempt."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from offer_cancellation.clock import after

Jitter = Callable[[], float]  # 0 ≤ jitter() < 1, as random.random


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential with jitter, between `first` and `most` seconds.

    The jitter spreads over the upper half of each step, so that what failed together does not
    come back together.
    """

    first: float
    most: float
    jitter: Jitter

    def seconds(self, tries: int, asked: float | None = None) -> float:
        """The wait after `tries` tries before this one; what the API `asked` for wins."""
        if asked is not None:
            return asked
        upper = self._upper(tries)
        lower = max(self.first, upper / 2)
        return lower + (upper - lower) * self.jitter()

    def until(self, now: datetime, tries: int, asked: float | None = None) -> datetime:
        """The moment when that wait ends."""
        return after(now, self.seconds(tries, asked))

    def spread(self, pause_end: datetime, tries: int) -> datetime:
        """A moment after a common pause, apart from everybody else's."""
        return after(pause_end, self._upper(tries) * self.jitter())

    def _upper(self, tries: int) -> float:
        return min(self.most, self.first * 2.0 ** min(tries + 1, 32))
