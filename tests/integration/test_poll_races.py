"""What several workers and timers do to one request at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from random import Random

import pytest

from local.portal.script import Answer
from offer_cancellation.backoff import Backoff
from tests.integration.harness import FIRST_WAIT, LEASE, REQUEST_ID, Harness, MakeHarness

RUNNING = Answer(200, {"status": "running"}, delay_seconds=0.3)
DONE = Answer(200, {"status": "completed"}, delay_seconds=0.3)


async def _stray_row(harness: Harness) -> None:
    """One more due row, long since due."""
    await harness.add_due_row(-5)


async def _stray_row_alone(harness: Harness) -> None:
    """Its own due row is gone, and another one is there."""
    await harness.remove_due_rows()
    await harness.add_due_row(-5)


@pytest.mark.parametrize("break_rows", [_stray_row, _stray_row_alone])
async def test_a_stray_row_does_not_disturb_the_holder(
    harness: Harness, break_rows: Callable[[Harness], Awaitable[None]]
) -> None:
    """While its POST is under way a tick leaves it alone; the stray row goes afterwards."""
    harness.script(cancel=[Answer(200, delay_seconds=1)])
    await harness.send()
    async with harness.delivering():
        await harness.until(lambda: harness.count("cancel") == 1)
        await break_rows(harness)
        etag = await harness.etag()

        assert {"waiting": 1} == await harness.tick()

        assert etag == await harness.etag()

    await harness.tick()
    data = await harness.ends("canceled", events=2)
    assert (1, False) == (data["attempts"], "uncertain" in data)


async def test_polls_of_overlapping_timers_are_counted(
    harness: Harness, make_harness: MakeHarness
) -> None:
    """Both GETs went out, whoever writes first."""
    harness.accept(RUNNING)
    await harness.submit()
    harness.clock.advance(FIRST_WAIT)
    other = make_harness(like=harness)

    results = await asyncio.gather(harness.tick(), other.tick())

    assert 1 == sum(one["pending"] for one in results)
    assert 2 == harness.count("operation")
    await harness.holds("accepted", Polls=2)


async def test_a_late_end_of_another_timer_is_counted_as_a_poll(
    harness: Harness, make_harness: MakeHarness
) -> None:
    """Its timer was slower than one that found nothing new: a later poll ends the request."""
    slow = Answer(200, {"status": "completed"}, delay_seconds=1)
    harness.accept(RUNNING, slow, DONE)
    await harness.submit()
    harness.clock.advance(FIRST_WAIT)
    other = make_harness(like=harness)

    await asyncio.gather(harness.tick(), other.tick())
    await harness.holds("accepted", Polls=2)
    await harness.tick_after(300)

    assert 3 == (await harness.ends("canceled"))["polls"]


async def test_those_who_died_together_part(harness: Harness) -> None:
    """Requests whose claimers died are put back, and again at times of their own."""
    jitter = Random(7).random  # noqa: S311 - no secret
    harness.services = replace(harness.services, backoff=Backoff(15, 300, jitter))
    names = [f"r-{number}" for number in range(4)]
    for name in names:
        await harness.die_posting(requestId=name)
    await harness.requests.clear_messages()

    assert {"put-back": len(names)} == await harness.tick_after(LEASE + 10)

    due = {(await harness.record(name))["DueAt"] for name in names}
    assert len(names) == len(due)
    first, last = harness.clock.at(2 * LEASE + 10), harness.clock.at(3 * LEASE + 10)
    assert all(first <= moment <= last for moment in due)


async def test_a_claim_past_its_deadline_is_left_until_its_lease_ends(harness: Harness) -> None:
    """Its holder may still be at work: no end is told over its head."""
    await harness.die_posting(expiresAt=harness.clock.at(60).isoformat())

    assert {} == await harness.tick_after(LEASE - 1)
    assert {"waiting": 1} == await harness.tick_after(1 + 9)
    assert {"expired": 1} == await harness.tick_after(1)

    data = await harness.ends("expired", "DeadlinePassed")
    assert (1, True) == (data["attempts"], data["uncertain"])


async def test_five_dead_claimers_in_a_row(harness: Harness) -> None:
    """The request that its workers die of ends by a tick, and is posted no more."""
    await harness.die_posting()
    await harness.edit(Deaths=4, Attempts=4)

    assert {"failed": 1} == await harness.tick_after(LEASE + 10)

    data = await harness.ends("failed", "InternalError")
    assert (5, True) == (data["attempts"], data["uncertain"])
    assert REQUEST_ID == data["requestId"]
