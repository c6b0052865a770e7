"""The timer trigger: when it is due, and how it calls."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import azure.functions as func
import pytest
from azure.functions.meta import Datum

from local.host.function import UserFunction
from local.host.timer import TimerListener, check_schedule, is_monitored, next_occurrence

NOON = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)  # a Monday


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("*/30 * * * * *", datetime(2026, 3, 2, 12, 0, 30, tzinfo=UTC)),
        ("0 */5 * * * *", datetime(2026, 3, 2, 12, 5, 0, tzinfo=UTC)),
        ("15 30 9 * * *", datetime(2026, 3, 3, 9, 30, 15, tzinfo=UTC)),
        ("0 0 12 * * 5", datetime(2026, 3, 6, 12, 0, 0, tzinfo=UTC)),
        # Both days count, as in NCRONTAB; in cron either would do.
        ("0 0 12 13 * 5", datetime(2026, 3, 13, 12, 0, 0, tzinfo=UTC)),
    ],
)
def test_the_seconds_come_first_and_days_both_count(schedule: str, expected: datetime) -> None:
    """An occurrence is computed as NCRONTAB has it, and is later than the moment asked about."""
    assert expected == next_occurrence(schedule, NOON)


@pytest.mark.parametrize("schedule", ["* * * * *", "00:00:30", "61 * * * * *", "", "@daily"])
def test_what_is_not_six_fields_is_refused(schedule: str) -> None:
    """A schedule the real host would read differently, or not at all, is an error."""
    with pytest.raises(ValueError, match="NCRONTAB"):
        check_schedule(schedule)


class _Clock:
    """A clock that stands still unless it is moved."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


async def _calls(clock: _Clock, schedule: str, *, takes: timedelta, calls: int) -> list[Any]:
    """The requests of so many calls; each takes its time of the clock."""
    seen: list[Any] = []  # the SDK's own base class does not know the status
    running = 0
    stop = asyncio.Event()

    async def tick(timer: func.TimerRequest) -> None:
        nonlocal running
        running += 1
        assert 1 == running
        await asyncio.sleep(0)
        clock.now += takes
        seen.append(timer)
        if len(seen) == calls:
            stop.set()

        running -= 1

    listener = TimerListener(
        UserFunction("tick", "timer", tick, trigger="timerTrigger"),
        schedule,
        run_on_startup=True,
        stop_seconds=5,
        now=clock,
    )
    await asyncio.wait_for(listener.run(stop), 5)
    return seen


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("* * * * * *", False),
        ("*/30 * * * * *", False),
        ("1,59 * * * * *", False),
        ("0 * * * * *", True),
        ("0 */5 * * * *", True),
    ],
)
def test_schedules_of_less_than_a_minute_are_not_monitored(schedule: str, expected: bool) -> None:
    """Two occurrences within the coming minute: nothing is kept of such a schedule."""
    assert expected == is_monitored(schedule, NOON)


async def test_less_than_a_minute_has_no_status_and_is_never_late() -> None:
    """After an overlong run the next begins at once, and says nothing of it."""
    clock = _Clock(NOON)

    requests = await _calls(clock, "*/30 * * * * *", takes=timedelta(seconds=100), calls=3)

    assert NOON + timedelta(seconds=300) == clock.now
    for request in requests:
        assert not request.past_due
        assert {} == request.schedule_status
        assert {"AdjustForDST": True} == request.schedule


class _Recorder:
    """A function that writes down what the host hands to it, and stops the host."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.data: Datum | None = None
        self.metadata: Mapping[str, Datum] = {}

    async def invoke(self, data: Datum, metadata: Mapping[str, Datum]) -> bool:
        self.data, self.metadata = data, metadata
        self.stop.set()
        return True


@pytest.mark.parametrize(
    ("schedule", "status"),
    [
        ("*/30 * * * * *", None),
        (
            "0 * * * * *",
            {
                "Last": "2026-03-02T12:00:00+00:00",
                "LastUpdated": "2026-03-02T12:00:00+00:00",
                "Next": "2026-03-02T12:01:00+00:00",
            },
        ),
    ],
)
async def test_the_payload_is_that_of_the_real_host(schedule: str, status: object) -> None:
    """The document and the metadata, as they were seen there."""
    recorder = _Recorder()
    listener = TimerListener(
        recorder, schedule, run_on_startup=True, stop_seconds=5, now=_Clock(NOON)
    )

    await asyncio.wait_for(listener.run(recorder.stop), 5)

    assert recorder.data is not None
    expected = {
        "Schedule": {"AdjustForDST": True},
        "ScheduleStatus": status,
        "IsPastDue": False,
    }
    assert expected == json.loads(recorder.data.value)
    assert {"TimerTrigger": Datum("03/02/2026 12:00:00", "string")} == recorder.metadata


async def test_a_run_that_outlasts_the_next_one_is_followed_by_one_late_run() -> None:
    """Three missed occurrences make one call that is past due, and none beside the first."""
    clock = _Clock(NOON)

    first, second = await _calls(
        clock, "0 * * * * *", takes=timedelta(minutes=3, seconds=30), calls=2
    )

    assert not first.past_due
    assert second.past_due
    assert NOON + timedelta(minutes=7) == clock.now


async def test_a_failing_run_does_not_end_the_schedule() -> None:
    """What the function raises is logged, and it is called again when it is due."""
    clock = _Clock(NOON)
    calls = 0
    stop = asyncio.Event()

    def tick(timer: func.TimerRequest) -> None:
        nonlocal calls
        assert timer is not None
        calls += 1
        clock.now += timedelta(minutes=2)
        if calls == 1:
            raise RuntimeError("boom")

        stop.set()

    listener = TimerListener(
        UserFunction("tick", "timer", tick, trigger="timerTrigger"),
        "0 * * * * *",
        run_on_startup=True,
        stop_seconds=5,
        now=clock,
    )
    await asyncio.wait_for(listener.run(stop), 5)

    assert 2 == calls


async def test_stopping_lets_a_run_finish_and_begins_no_other() -> None:
    """A tick that is under way when the host stops is not cut off."""
    clock = _Clock(NOON)
    stop, began, finish = asyncio.Event(), asyncio.Event(), asyncio.Event()
    ended = 0

    async def tick(timer: func.TimerRequest) -> None:
        nonlocal ended
        assert timer is not None
        began.set()
        clock.now += timedelta(minutes=5)  # the next ones are overdue
        await finish.wait()
        ended += 1

    listener = TimerListener(
        UserFunction("tick", "timer", tick, trigger="timerTrigger"),
        "0 * * * * *",
        run_on_startup=True,
        stop_seconds=5,
        now=clock,
    )
    running = asyncio.create_task(listener.run(stop))
    await asyncio.wait_for(began.wait(), 5)
    stop.set()
    finish.set()
    await asyncio.wait_for(running, 5)

    assert 1 == ended
