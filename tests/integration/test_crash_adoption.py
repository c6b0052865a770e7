"""A tick dies at every step of an adoption: the copy is settled once all the same."""

import json

import pytest

from local.portal.script import Answer
from tests.integration.crashing import (
    Crashing,
    acted,
    carry_on,
    crash_in_tick,
    every_step,
    tell_the_truth,
)
from tests.integration.harness import PUBLISHER, REQUEST_ID, Harness, MakeHarness
from tests.integration.tripwire import Wire

INVALID = '{"publisherId": "contoso", "dequeueCount": "many"}'


async def _give_up(harness: Harness, text: str) -> None:
    """A copy that a tick has received before: it is hidden longer before it is read."""
    await harness.give_up(text)
    (copy,) = await harness.services.poison.receive(60)
    await harness.services.poison.hide(copy, 0)


def _text(harness: Harness, **fields: str) -> str:
    return json.dumps({"publisherId": PUBLISHER, "offerId": harness.offer, **fields})


async def _valid(harness: Harness, _: Wire) -> None:
    tell_the_truth(harness)
    await _give_up(harness, _text(harness, requestId=REQUEST_ID))


async def _without_id(harness: Harness, _: Wire) -> None:
    tell_the_truth(harness)
    await _give_up(harness, _text(harness))


async def _of_finished(harness: Harness, _: Wire) -> None:
    harness.script(cancel=[Answer(200)])
    await harness.submit()
    await _give_up(harness, _text(harness, requestId=REQUEST_ID))


async def _invalid(harness: Harness, _: Wire) -> None:
    await _give_up(harness, INVALID)


async def _too_old(harness: Harness, _: Wire) -> None:
    await _give_up(harness, _text(harness, requestId=REQUEST_ID))
    harness.clock.advance(6 * 24 * 3600 + 60)  # the copy is dated by the emulator's own clock


async def _reused(harness: Harness, wire: Wire) -> None:
    await _of_finished(harness, wire)
    await harness.tick()
    await harness.all_outcomes()
    text = json.dumps({"publisherId": PUBLISHER, "offerId": "another", "requestId": REQUEST_ID})
    await _give_up(harness, text)


@pytest.mark.parametrize(
    ("prepare", "posts", "least"),
    [
        pytest.param(_valid, 1, 8, id="valid"),
        pytest.param(_without_id, 1, 8, id="without an id"),
        pytest.param(_of_finished, 1, 10, id="of a finished request"),
    ],
)
async def test_a_good_copy(
    make_harness: MakeHarness, prepare: Crashing, posts: int, least: int
) -> None:
    """One record, one POST, one event id; the copy goes, and nothing is rejected."""
    steps: list[str] = []
    async for harness, wire in every_step(make_harness, prepare, crash_in_tick):
        steps.append(wire.steps[-1])

        await carry_on(harness)

        rows = [row for row in await harness.rows() if row["RowKey"].startswith("request-")]
        assert ["canceled"] == [row["Status"] for row in rows]
        events = await harness.all_outcomes()
        assert (wire.steps[-1], 1) == (wire.steps[-1], len({event["id"] for event in events}))
        assert (wire.steps[-1], posts) == (wire.steps[-1], acted(harness))
        assert [] == await harness.rejected()
    assert len(steps) >= least, steps


@pytest.mark.parametrize(
    ("prepare", "end", "least"),
    [
        pytest.param(_invalid, ("rejected", "InvalidRequest"), 10, id="invalid"),
        pytest.param(_reused, ("rejected", "RequestIdReused"), 12, id="another's id"),
        pytest.param(_too_old, ("failed", "InternalError"), 12, id="too old"),
    ],
)
async def test_a_bad_copy(
    make_harness: MakeHarness, prepare: Crashing, end: tuple[str, str], least: int
) -> None:
    """One end, told with one event id, and the original in the rejected queue."""
    steps: list[str] = []
    async for harness, wire in every_step(make_harness, prepare, crash_in_tick):
        steps.append(wire.steps[-1])

        await carry_on(harness)

        events = await harness.all_outcomes()
        assert {(*end, events[0]["id"])} == {
            (event["data"]["status"], event["data"]["error"]["code"], event["id"])
            for event in events
        }
        assert (wire.steps[-1], 1) == (wire.steps[-1], len(set(await harness.rejected())))
    assert len(steps) >= least, steps
