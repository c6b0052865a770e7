"""One pause for the whole process: when the API answers 429, nothing more is sent for a while."""

from datetime import datetime


class Throttle:
    """Shared by everything that this process sends to the API."""

    def __init__(self) -> None:
        self._paused_until: datetime | None = None

    def paused_until(self, now: datetime) -> datetime | None:
        """When the pause ends; None when there is none."""
        return self._paused_until if self._paused_until and now < self._paused_until else None

    def pause(self, until: datetime) -> None:
        """Pauses, at least until then."""
        self._paused_until = max(self._paused_until or until, until)
