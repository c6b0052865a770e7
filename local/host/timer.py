"""The timer trigger: NCRONTAB in UTC, one instance, never overlapping itself.

As on the real host, a schedule of less than a minute has no status and is never past due. It keeps
no record across starts, so a start-up is never late. Time spans as schedules are not supported.
"""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from azure.functions.meta import Datum
from croniter import croniter

from local.host.function import TriggeredFunction
from local.host.waiting import cut_after, stopped_within

_FIELDS = 6
_MINUTE = timedelta(minutes=1)
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


def is_monitored(schedule: str, now: datetime) -> bool:
    """Whether it has a status: it has none where two occurrences fall into the coming minute."""
    second = next_occurrence(schedule, next_occurrence(schedule, now))
    return second > now + _MINUTE


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
        stop_seconds: float,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        check_schedule(schedule)
        self._function = function
        self._schedule = schedule
        self._run_on_startup = run_on_startup
        self._stop_seconds = stop_seconds
        self._now = now

    async def run(self, stop: asyncio.Event) -> None:
        """Call when due until `stop`; a run that is under way then may finish."""
        due = last = self._now()
        monitored = is_monitored(self._schedule, due)
        if not self._run_on_startup:
            due = next_occurrence(self._schedule, due)

        while not await stopped_within(stop, (due - self._now()).total_seconds()):
            started = self._now()
            payload = self._payload(due, last, started) if monitored else _unmonitored()
            await self._call(stop, payload, started)
            last = started
            # From when it was due: what was missed meanwhile is one run at once, not several.
            due = next_occurrence(self._schedule, max(due, started))

    def _payload(self, due: datetime, last: datetime, started: datetime) -> dict[str, object]:
        following = next_occurrence(self._schedule, started)
        status = {
            "Last": last.isoformat(),
            "LastUpdated": started.isoformat(),
            "Next": following.isoformat(),
        }
        return _unmonitored() | {"ScheduleStatus": status, "IsPastDue": started - due >= _LATE}

    async def _call(
        self, stop: asyncio.Event, payload: dict[str, object], started: datetime
    ) -> None:
        metadata = {"TimerTrigger": Datum(f"{started:%m/%d/%Y %H:%M:%S}", "string")}
        data = Datum(json.dumps(payload), "json")
        task = asyncio.create_task(self._function.invoke(data, metadata))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
            await cut_after({task}, self._stop_seconds)
        finally:
            stopping.cancel()
            await cut_after({task}, 0)


def _unmonitored() -> dict[str, object]:
    return {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": None, "IsPastDue": False}
