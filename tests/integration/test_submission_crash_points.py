"""The work on a submission stops at every step, in the trigger and in the timer.

Whatever step it was, the rest carries on and reaches the one right end: one status, one event
(repeated or not), one DELETE.
"""

import asyncio

import pytest

from local.portal.script import Answer, Fault
from local.portal.submission_script import (
    CANCELLED,
    DELETED,
    DRAFT,
    GONE,
    PUBLISHED,
    SUBMITTED,
)
from tests.integration.crashing import (
    Crashing,
    carry_on,
    crash_in_tick,
    crash_with_message,
    event_id,
    every_step,
)
from tests.integration.harness import LEASE, REQUEST_ID, Harness, MakeHarness
from tests.integration.tripwire import Wire


async def _crash_in_trigger(harness: Harness, wire: Wire) -> None:
    """A worker takes a new message, and dies at the wire."""
    await harness.send_submission()
    await crash_with_message(harness, wire)


async def _cancelled(harness: Harness, _: Wire) -> None:
    harness.script_submission(read=[SUBMITTED], after=[CANCELLED])


async def _draft(harness: Harness, _: Wire) -> None:
    """Back to a draft at once: only the record tells that it had been submitted."""
    harness.script_submission(read=[SUBMITTED], after=[DRAFT])


async def _gone(harness: Harness, _: Wire) -> None:
    harness.script_submission(read=[SUBMITTED], after=[GONE])


async def _lost_answer(harness: Harness, _: Wire) -> None:
    """The DELETE is acted on, and its answer never comes."""
    harness.script_submission(
        read=[SUBMITTED], delete=[Answer(fault=Fault.RESET_AFTER), Answer(409)], after=[DRAFT]
    )


async def _refused_though_it_worked(harness: Harness, _: Wire) -> None:
    """Another's cancellation came first: the DELETE is refused, and the look says canceled."""
    harness.script_submission(read=[SUBMITTED, CANCELLED], delete=[Answer(409)])


async def _throttled(harness: Harness, wire: Wire) -> None:
    harness.script_submission(read=[SUBMITTED], delete=[Answer(429, headers={"Retry-After": "5"})])
    await harness.submit_submission()
    await _draft(harness, wire)
    harness.clock.advance(60)


async def _put_back(harness: Harness, wire: Wire) -> None:
    await _throttled(harness, wire)
    await harness.tick()


async def _uncertain(harness: Harness, wire: Wire) -> None:
    """A DELETE that was not acted on, but may have been."""
    harness.script_submission(read=[SUBMITTED], delete=[Answer(500)])
    await harness.submit_submission()
    await _draft(harness, wire)
    harness.clock.advance(60)
    await harness.tick()


async def _claimer_died(harness: Harness, _: Wire) -> None:
    harness.script_submission(
        read=[SUBMITTED], delete=[Answer(fault=Fault.HANG), DELETED], after=[DRAFT]
    )
    await harness.send_submission()
    delivery = asyncio.create_task(harness.deliver())
    await harness.until(lambda: harness.deletes() == 1)
    delivery.cancel()
    await asyncio.wait([delivery])
    await harness.requests.clear_messages()
    harness.clock.advance(LEASE + 10)


async def _accepted(harness: Harness, _: Wire) -> None:
    harness.script_submission(read=[SUBMITTED], after=[GONE])
    await harness.submit_submission()
    harness.clock.advance(60)


async def _still_submitted(harness: Harness, _: Wire) -> None:
    harness.script_submission(read=[SUBMITTED], after=[SUBMITTED, CANCELLED])
    await harness.submit_submission()
    harness.clock.advance(60)


@pytest.mark.parametrize(
    ("prepare", "crash", "least", "deletes"),
    [
        pytest.param(_cancelled, _crash_in_trigger, 10, 1, id="trigger, 204"),
        pytest.param(_draft, _crash_in_trigger, 10, 1, id="trigger, draft"),
        pytest.param(_gone, _crash_in_trigger, 10, 1, id="trigger, gone"),
        pytest.param(_lost_answer, _crash_in_trigger, 10, 1, id="trigger, lost answer"),
        pytest.param(
            _refused_though_it_worked, _crash_in_trigger, 14, 0, id="trigger, refused, look again"
        ),
        pytest.param(_put_back, crash_with_message, 8, 1, id="trigger, taking over"),
        pytest.param(_uncertain, crash_with_message, 8, 1, id="trigger, uncertain"),
        pytest.param(_accepted, crash_in_tick, 10, 1, id="tick, poll to the end"),
        pytest.param(_still_submitted, crash_in_tick, 6, 1, id="tick, poll again"),
        pytest.param(_claimer_died, crash_in_tick, 8, 1, id="tick, dead claimer"),
        pytest.param(_throttled, crash_in_tick, 8, 1, id="tick, put back"),
    ],
)
async def test_every_step(
    make_harness: MakeHarness, prepare: Crashing, crash: Crashing, least: int, deletes: int
) -> None:
    """From a crash at any step, the request is canceled once, and reported with one event id."""
    steps: list[str] = []
    async for harness, wire in every_step(make_harness, prepare, crash):
        steps.append(wire.steps[-1])
        await carry_on(harness)
        await harness.check_rule_1()
        record, events = await harness.record(), await harness.outcomes()
        assert (wire.steps[-1], "canceled") == (wire.steps[-1], record["Status"])
        assert {await event_id(harness, REQUEST_ID, "canceled")} == {e["id"] for e in events}
        assert (wire.steps[-1], deletes) == (wire.steps[-1], harness.deletes())
    assert len(steps) >= least, steps


async def test_live_before_it_could_be_stopped(make_harness: MakeHarness) -> None:
    """From a crash at any step of that poll, the request fails once."""

    async def prepare(harness: Harness, _: Wire) -> None:
        harness.script_submission(read=[SUBMITTED], after=[PUBLISHED])
        await harness.submit_submission()
        harness.clock.advance(60)

    steps: list[str] = []
    async for harness, wire in every_step(make_harness, prepare, crash_in_tick):
        steps.append(wire.steps[-1])
        await carry_on(harness)
        events = await harness.outcomes()
        assert {await event_id(harness, REQUEST_ID, "failed")} == {e["id"] for e in events}
    assert len(steps) >= 8, steps
