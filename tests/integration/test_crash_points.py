"""The work stops at every step between claim and close, in the trigger and in the timer.

Whatever step it was, the rest carries on and reaches the one right end: one status, one event
(repeated or not), one POST.
"""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from cancel_trigger.message import Message
from cancel_trigger.submission import handle
from local.portal.script import Answer, Fault
from poll_timer.tick import tick
from tests.integration.harness import FINAL, LEASE, REQUEST_ID, Harness, MakeHarness
from tests.integration.tripwire import Crash, Wire, wired

MANY_ROUNDS = 12
OLD = {"id": "op-1", "submissionState": "running", "createdDateTime": "2020-01-01T00:00:00Z"}
GUARD = "11111111-2222-3333-4444-555555555555"
Crashing = Callable[[Harness, Wire], Awaitable[None]]


async def _crash_in_trigger(harness: Harness, wire: Wire) -> None:
    """A worker takes a new message, and dies at the wire."""
    await harness.send()
    await _crash_with_message(harness, wire)


async def _crash_guarded(harness: Harness, wire: Wire) -> None:
    await harness.send(None, operationId=GUARD)
    await _crash_with_message(harness, wire)


async def _crash_with_message(harness: Harness, wire: Wire) -> None:
    """A worker takes the message that is there, and dies at the wire; it shows up again."""
    received = await harness.requests.receive_message()
    assert received is not None
    message = Message(str(received.id), str(received.content), harness.clock())
    try:
        await handle(message, wired(harness.services, wire))
    except Crash:
        await harness.requests.update_message(received, visibility_timeout=0)
    else:
        await harness.requests.delete_message(received)


async def _crash_in_tick(harness: Harness, wire: Wire) -> None:
    try:
        await tick(wired(harness.services, wire))
    except BaseExceptionGroup:
        return  # the wire knows where it was


def _acted(harness: Harness) -> int:
    """How many POSTs the portal has carried out."""
    return sum(one.answered in (200, 202, Fault.HANG) for one in harness.seen("cancel"))


def _tell_the_truth(harness: Harness) -> None:
    """The portal lists what runs: nothing any more once it has acted on a POST."""
    acted = _acted(harness) > 0
    accepted = Answer(202, headers={"Location": harness.location})
    guarded = {"status": "canceled" if acted else "running"}
    harness.script(
        cancel=[accepted],
        operation=[Answer(200, [{**OLD, **guarded}])],
        submissions=[Answer(200, [] if acted else [OLD])],
    )


async def _carry_on(harness: Harness) -> None:
    """Another process goes on until the request is at rest."""
    for _ in range(MANY_ROUNDS):
        _tell_the_truth(harness)
        harness.clock.advance(LEASE + 6)
        await harness.deliver()
        await harness.tick()
        record, rows = await harness.record(), await harness.due_rows()
        if record["Status"] in FINAL and not rows and not await harness.waiting():
            return
    raise AssertionError("the request never came to rest")


async def _every_step(
    make_harness: MakeHarness, prepare: Crashing, crash: Crashing
) -> AsyncIterator[tuple[Harness, Wire]]:
    """A fresh app for each step at which the work can stop, until there is none left."""
    crash_at = 1
    while True:
        harness, wire = make_harness(), Wire(crash_at)
        await prepare(harness, wire)
        await crash(harness, wire)
        if not wire.has_crashed:
            return
        yield harness, wire
        crash_at += 1


async def _nothing(harness: Harness, _: Wire) -> None:
    _tell_the_truth(harness)


async def _done_at_once(harness: Harness, _: Wire) -> None:
    harness.script(cancel=[Answer(200)])


async def _accepted(harness: Harness, _: Wire) -> None:
    _tell_the_truth(harness)
    await harness.submit()
    harness.clock.advance(60)
    _tell_the_truth(harness)


async def _throttled(harness: Harness, _: Wire) -> None:
    harness.script(cancel=[Answer(429, headers={"Retry-After": "5"})])
    await harness.submit()
    _tell_the_truth(harness)
    harness.clock.advance(60)


async def _failing(harness: Harness, _: Wire) -> None:
    harness.script(cancel=[Answer(503)])


async def _uncertain(harness: Harness, _: Wire) -> None:
    """A POST that was not acted on, but may have been: the next attempt looks."""
    harness.script(cancel=[Answer(500)])
    await harness.submit()
    _tell_the_truth(harness)
    harness.clock.advance(60)
    await harness.tick()


async def _claimer_died(harness: Harness, _: Wire) -> None:
    await harness.die_posting()
    await harness.requests.clear_messages()
    _tell_the_truth(harness)
    harness.clock.advance(LEASE + 6)


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
        pytest.param(_put_back, _crash_with_message, 8, id="trigger, taking over"),
        pytest.param(_failing, _crash_in_trigger, 6, id="trigger, put off"),
        pytest.param(_uncertain, _crash_with_message, 10, id="trigger, looking first"),
        pytest.param(_accepted, _crash_in_tick, 10, id="tick, poll to the end"),
        pytest.param(_still_running, _crash_in_tick, 6, id="tick, poll again"),
        pytest.param(_claimer_died, _crash_in_tick, 8, id="tick, dead claimer"),
        pytest.param(_throttled, _crash_in_tick, 8, id="tick, put back"),
    ],
)
async def test_every_step(
    make_harness: MakeHarness, prepare: Crashing, crash: Crashing, least: int
) -> None:
    """From a crash at any step, the request is canceled once, and reported with one event id."""
    steps: list[str] = []
    async for harness, wire in _every_step(make_harness, prepare, crash):
        steps.append(wire.steps[-1])
        await _carry_on(harness)
        await harness.check_rule_1()
        record, events = await harness.record(), await harness.outcomes()
        assert (wire.steps[-1], "canceled") == (wire.steps[-1], record["Status"])
        assert {f"{REQUEST_ID}:1:canceled"} == {event["id"] for event in events}
        assert (wire.steps[-1], 1) == (wire.steps[-1], _acted(harness))
    assert len(steps) >= least, steps


async def test_expiry(make_harness: MakeHarness) -> None:
    """From a crash at any step of the last poll, the request expires once."""

    async def prepare(harness: Harness, wire: Wire) -> None:
        await _still_running(harness, wire)
        harness.clock.advance(24 * 3600)

    steps: list[str] = []
    async for harness, wire in _every_step(make_harness, prepare, _crash_in_tick):
        steps.append(wire.steps[-1])
        await harness.tick()
        await harness.check_rule_1()
        events = await harness.outcomes()
        assert {f"{REQUEST_ID}:1:expired"} == {event["id"] for event in events}
        assert "expired" == (await harness.record())["Status"]
    assert len(steps) >= 10, steps


async def test_invalid_message(make_harness: MakeHarness) -> None:
    """From a crash at any step, an invalid message is reported with one event id, and kept."""

    async def prepare(harness: Harness, _: Wire) -> None:
        await harness.send('{"publisherId": "contoso"}')

    steps: list[str] = []
    async for harness, wire in _every_step(make_harness, prepare, _crash_with_message):
        steps.append(wire.steps[-1])
        await harness.deliver()
        events = await harness.outcomes()
        assert 1 == len({event["id"] for event in events})
        assert {'{"publisherId": "contoso"}'} == set(await harness.rejected())
    assert ["before outcomes.refuse", "after outcomes.refuse", "before poison.send",
            "after poison.send"] == steps  # fmt: skip
