"""The work stops at every step between claim and close, in the trigger and in the timer.

Whatever step it was, the rest carries on and reaches the one right end: one status, one event
(repeated or not), one POST.
"""

import pytest

from local.portal.script import Answer
from tests.integration.crashing import (
    Crashing,
    acted,
    carry_on,
    crash_in_tick,
    crash_with_message,
    event_id,
    every_step,
    tell_the_truth,
)
from tests.integration.harness import LEASE, REQUEST_ID, Harness, MakeHarness
from tests.integration.tripwire import Wire

GUARD = "11111111-2222-3333-4444-555555555555"


async def _crash_in_trigger(harness: Harness, wire: Wire) -> None:
    """A worker takes a new message, and dies at the wire."""
    await harness.send()
    await crash_with_message(harness, wire)


async def _crash_guarded(harness: Harness, wire: Wire) -> None:
    await harness.send(None, operationId=GUARD)
    await crash_with_message(harness, wire)


async def _nothing(harness: Harness, _: Wire) -> None:
    tell_the_truth(harness)


async def _done_at_once(harness: Harness, _: Wire) -> None:
    harness.script(cancel=[Answer(200)])


async def _accepted(harness: Harness, _: Wire) -> None:
    tell_the_truth(harness)
    await harness.submit()
    harness.clock.advance(60)
    tell_the_truth(harness)


async def _throttled(harness: Harness, _: Wire) -> None:
    harness.script(cancel=[Answer(429, headers={"Retry-After": "5"})])
    await harness.submit()
    tell_the_truth(harness)
    harness.clock.advance(60)


async def _failing(harness: Harness, _: Wire) -> None:
    harness.script(cancel=[Answer(503)])


async def _uncertain(harness: Harness, _: Wire) -> None:
    """A POST that was not acted on, but may have been: the next attempt looks."""
    harness.script(cancel=[Answer(500)])
    await harness.submit()
    tell_the_truth(harness)
    harness.clock.advance(60)
    await harness.tick()


async def _claimer_died(harness: Harness, _: Wire) -> None:
    await harness.die_posting()
    await harness.requests.clear_messages()
    tell_the_truth(harness)
    harness.clock.advance(LEASE + 10)


async def _still_running(harness: Harness, wire: Wire) -> None:
    await _accepted(harness, wire)
    harness.script(operation=[Answer(200, {"status": "running"})])


async def _put_back(harness: Harness, wire: Wire) -> None:
    await _throttled(harness, wire)
    await harness.tick()


@pytest.mark.parametrize(
    ("prepare", "crash", "least"),
    [
        pytest.param(_done_at_once, _crash_in_trigger, 8, id="trigger, 200"),
        pytest.param(_nothing, _crash_in_trigger, 6, id="trigger, 202"),
        pytest.param(_nothing, _crash_guarded, 8, id="trigger, guarded"),
        pytest.param(_put_back, crash_with_message, 8, id="trigger, taking over"),
        pytest.param(_failing, _crash_in_trigger, 6, id="trigger, put off"),
        pytest.param(_uncertain, crash_with_message, 10, id="trigger, looking first"),
        pytest.param(_accepted, crash_in_tick, 10, id="tick, poll to the end"),
        pytest.param(_still_running, crash_in_tick, 6, id="tick, poll again"),
        pytest.param(_claimer_died, crash_in_tick, 8, id="tick, dead claimer"),
        pytest.param(_throttled, crash_in_tick, 8, id="tick, put back"),
    ],
)
async def test_every_step(
    make_harness: MakeHarness, prepare: Crashing, crash: Crashing, least: int
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
        assert (wire.steps[-1], 1) == (wire.steps[-1], acted(harness))
    assert len(steps) >= least, steps


async def _last_poll(harness: Harness, wire: Wire) -> None:
    await _still_running(harness, wire)
    harness.clock.advance(24 * 3600)


async def _never_submitted(harness: Harness, wire: Wire) -> None:
    await _throttled(harness, wire)
    harness.clock.advance(24 * 3600)


@pytest.mark.parametrize(
    ("prepare", "least"),
    [pytest.param(_last_poll, 8, id="last poll"), pytest.param(_never_submitted, 6, id="deferred")],
)
async def test_expiry(make_harness: MakeHarness, prepare: Crashing, least: int) -> None:
    """From a crash at any step of its last tick, the request expires once."""
    steps: list[str] = []
    async for harness, wire in every_step(make_harness, prepare, crash_in_tick):
        steps.append(wire.steps[-1])
        await harness.tick()
        await harness.check_rule_1()
        events = await harness.outcomes()
        assert {await event_id(harness, REQUEST_ID, "expired")} == {e["id"] for e in events}
        assert "expired" == (await harness.record())["Status"]
    assert len(steps) >= least, steps


async def test_invalid_message(make_harness: MakeHarness) -> None:
    """From a crash at any step, an invalid message is reported with one event id, and kept."""

    async def prepare(harness: Harness, _: Wire) -> None:
        await harness.send('{"publisherId": "contoso"}')

    steps: list[str] = []
    async for harness, wire in every_step(make_harness, prepare, crash_with_message):
        steps.append(wire.steps[-1])
        await harness.deliver()
        events = await harness.outcomes()
        assert 1 == len({event["id"] for event in events})
        assert {'{"publisherId": "contoso"}'} == set(await harness.rejected())
    assert [
        "before outcomes.send_refusal",
        "after outcomes.send_refusal",
        "before rejected.keep",
        "after rejected.keep",
    ] == steps


async def test_message_without_an_id(make_harness: MakeHarness) -> None:
    """From a crash at any step, what is sent anew stays one request: one id, one POST."""
    message_ids: list[str] = []

    async def prepare(harness: Harness, _: Wire) -> None:
        tell_the_truth(harness)
        text = f'{{"publisherId": "contoso", "offerId": "{harness.offer}"}}'
        message_ids.append(await harness.send(text))

    steps: list[str] = []
    async for harness, wire in every_step(make_harness, prepare, crash_with_message):
        steps.append(wire.steps[-1])
        await carry_on(harness)
        request_id = f"msg-{message_ids[-1]}"
        expected = await event_id(harness, request_id, "canceled")
        assert {expected} == {event["id"] for event in await harness.outcomes()}
        assert (wire.steps[-1], 1) == (wire.steps[-1], acted(harness))
    assert ["before requests.send", "after requests.send"] == steps
