"""A tick's bounds: polls in flight, time to begin, time to end."""

from datetime import datetime, timedelta
from importlib import import_module

import pytest

from local.portal.script import Answer, Fault
from tests.integration.harness import FIRST_WAIT, Harness, MakeHarness

tick_module = import_module("poll_timer.tick")  # the package has a function of that name
DONE = Answer(200, {"status": "completed"})
SLOW = timedelta(seconds=0.2)


async def accept(harness: Harness, how_many: int) -> list[str]:
    """Accepted requests for the test's offer; their ids."""
    names = [f"r-{index}" for index in range(1, how_many + 1)]
    for name in names:
        await harness.submit(requestId=name)
    return names


def most_at_once(starts: list[datetime], lasts: timedelta) -> int:
    """The most calls in flight at a time, when each lasts that long at least."""
    return max(sum(start <= other < start + lasts for other in starts) for start in starts)


async def test_polls_in_flight_are_bounded(make_harness: MakeHarness) -> None:
    """Many at once, never more than POLL_CONCURRENCY, and every one of them polled."""
    harness = make_harness(POLL_CONCURRENCY="4")
    slow = Answer(200, {"status": "completed"}, delay_seconds=SLOW.total_seconds())
    harness.accept(slow)
    names = await accept(harness, 14)

    assert await harness.tick_after(FIRST_WAIT) == {"canceled": len(names)}

    starts = [seen.at for seen in harness.seen("operation")]
    assert 14 == len(starts)
    assert 1 < most_at_once(starts, SLOW) <= 4
    for name in names:
        await harness.check_rule_1(name)


async def test_no_poll_begins_late_in_a_tick(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has not begun by then is still due, and was no poll."""
    harness = make_harness(POLL_CONCURRENCY="2")
    harness.accept(Answer(200, {"status": "completed"}, delay_seconds=0.5))
    await accept(harness, 6)
    monkeypatch.setattr(tick_module, "START_WITHIN", 0.45)

    came_to = await harness.tick_after(FIRST_WAIT)

    assert came_to["canceled"] == harness.count("operation") <= 2
    for name in ("r-1", "r-6"):
        await harness.check_rule_1(name)
    monkeypatch.undo()
    assert (await harness.tick())["canceled"] == 6 - came_to["canceled"]


async def test_polls_in_flight_at_the_end_are_abandoned(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are still due, and cost nothing but time."""
    harness.accept(Answer(fault=Fault.HANG))
    await harness.submit()
    monkeypatch.setattr(tick_module, "END_WITHIN", 0.5)

    await harness.tick_after(FIRST_WAIT)

    await harness.holds("accepted", Polls=0)
    assert await harness.due_at(FIRST_WAIT)
    monkeypatch.undo()
    harness.script(operation=[DONE])
    assert {"canceled": 1} == await harness.tick()
    await harness.ends("canceled")


async def test_a_poll_that_waits_its_turn_begins_in_time_or_not_at_all(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a pause calls go one at a time: what has not begun in time is still due."""
    harness.accept(DONE)
    await accept(harness, 3)
    harness.script(cancel=[Answer(429, headers={"Retry-After": "1"})],
                   operation=[Answer(200, {"status": "completed"}, delay_seconds=2)])  # fmt: skip
    await harness.submit(requestId="throttled")
    monkeypatch.setattr(tick_module, "START_WITHIN", 1.5)

    came_to = await harness.tick_after(FIRST_WAIT)

    assert (1, 1) == (came_to["canceled"], harness.count("operation"))


async def test_a_stray_due_row_is_removed_and_not_acted_on(harness: Harness) -> None:
    """The record's own due row says when its poll is due."""
    harness.accept(DONE)
    await harness.submit()
    await harness.add_due_row(1)

    assert {"repaired": 1} == await harness.tick_after(1)

    await harness.holds("accepted", Polls=0)
    assert await harness.due_at(FIRST_WAIT)
