"""The timer trigger: NCRONTAB in UTC, one instance, never overlapping itself.

It keeps no record of the last run, so a start-up is never late; only a run that outlasted the
next occurrence makes that one past due. Time spans as schedules are not supported.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from azure.functions.meta import Datum
from croniter import croniter

from local.host.function import TriggeredFunction, drain, stopped_within

_logger = logging.getLogger("local.host")

_FIELDS = 6
# An event loop wakes up a little late; that is not a late run.
_LATE = timedelta(seconds=1)


def check_schedule(schedule: str) -> None:
    """ValueError for what is not six fields of NCRONTAB."""
    if len(schedule.split()) != _FIELDS or not croniter.is_valid(
        schedule, second_at_beginning=True
    ):
        raise ValueError(f"schedule: {schedule!r} is not NCRONTAB with six fields")


def next_occurrence(schedule: str, after: datetime) -> datetime:
    """Return the first occurrence later than `after`."""
    occurrences = croniter(schedule, after.astimezone(UTC), second_at_beginning=True, day_or=False)
    following: datetime = occurrences.get_next(datetime)
    return following


def _utc_now() -> datetime:
    return datetime.now(UTC)


class TimerListener:
    """Calls one function on its schedule until it is told to stop."""

    def __init__(
        self,
        function: TriggeredFunction,
        schedule: str,
        *,
        run_on_startup: bool = False,
        drain_seconds: float,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        check_schedule(schedule)
        self._function = function
        self._schedule = schedule
        self._run_on_startup = run_on_startup
        self._drain_seconds = drain_seconds
        self._now = now

    async def run(self, stop: asyncio.Event) -> None:
        """Call when due until `stop`; a run that is under way then is let finish."""
        due = self._now()
        last = due
        if not self._run_on_startup:
            due = next_occurrence(self._schedule, due)
        while not await stopped_within(stop, (due - self._now()).total_seconds()):
            started = self._now()
            await self._call(stop, self._request(due, last, started))
            last = started
            # From when it was due: what was missed meanwhile is one late run, not several.
            due = next_occurrence(self._schedule, max(due, started))

    def _request(self, due: datetime, last: datetime, started: datetime) -> Datum:
        following = next_occurrence(self._schedule, started)
        payload = {
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": {
                "Last": last.isoformat(),
                "Next": following.isoformat(),
                "LastUpdated": started.isoformat(),
            },
            "IsPastDue": started - due >= _LATE,
        }
        return Datum(json.dumps(payload), "json")

    async def _call(self, stop: asyncio.Event, request: Datum) -> None:
        task = asyncio.create_task(self._function.invoke(request, {}))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
            await drain({task}, self._drain_seconds)
        finally:
            stopping.cancel()
            await drain({task}, 0)
