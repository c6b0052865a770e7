"""The clock that tests hand to the app: it moves when it is told to, and only then."""

from datetime import datetime

from offer_cancellation.clock import after, utc_now


class FakeClock:
    """Begins at the real now, in whole milliseconds."""

    def __init__(self) -> None:
        self.start = utc_now()
        self._now = self.start

    def __call__(self) -> datetime:
        """The time that it stands at."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Lets so much time pass."""
        self._now = after(self._now, seconds)

    def at(self, seconds: float) -> datetime:
        """The moment so many seconds after the start."""
        return after(self.start, seconds)
