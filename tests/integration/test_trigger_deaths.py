"""A request that its claimers die of: counted, put back ever more apart, and ended."""

import asyncio

import pytest

from local.portal.script import Answer, Fault
from tests.integration.harness import LEASE, Harness

PUT_BACK = LEASE + 10  # seconds after a claim whose claimer died
TAKE_OVER = LEASE + 5


async def _die_again(harness: Harness) -> None:
    """Another worker takes the request over, and dies while its POST is under way."""
    harness.script(cancel=[Answer(fault=Fault.HANG)], submissions=[Answer(404)])
    posted = harness.count("cancel")
    delivery = asyncio.create_task(harness.deliver())
    await harness.until(lambda: harness.count("cancel") > posted)
    delivery.cancel()
    await asyncio.wait([delivery])
    await harness.requests.clear_messages()


async def _die_in_a_row(harness: Harness, times: int) -> None:
    await harness.die_posting()
    await harness.requests.clear_messages()
    for _ in range(times - 1):
        harness.clock.advance(TAKE_OVER)
        await harness.send()
        await _die_again(harness)


@pytest.mark.parametrize("by", ["trigger", "timer"])
async def test_the_fifth_death_in_a_row_ends_it(harness: Harness, by: str) -> None:
    """Failed and uncertain, whoever finds it; five attempts, and not one more."""
    await _die_in_a_row(harness, 5)
    await harness.holds("submitting", Deaths=4)
    harness.script(cancel=[Answer(200)])
    harness.clock.advance(PUT_BACK)

    if by == "timer":
        assert {"failed": 1} == await harness.tick()
    else:
        await harness.submit()

    data = await harness.ends("failed", "InternalError")
    assert (True, 5, 5) == (data["uncertain"], data["attempts"], harness.count("cancel"))
    assert "5 times in a row" in data["error"]["message"]


@pytest.mark.parametrize("answer", [Answer(503), Answer(202)], ids=["deferred", "accepted"])
async def test_an_answer_begins_a_new_row(harness: Harness, answer: Answer) -> None:
    """Whatever it says, its claimer lived."""
    await _die_in_a_row(harness, 4)
    harness.script(cancel=[answer], submissions=[Answer(404)])
    harness.clock.advance(TAKE_OVER)
    assert 3 == (await harness.record())["Deaths"]

    await harness.submit()

    assert 0 == (await harness.record())["Deaths"]


async def test_requests_whose_claimers_died_together_part(harness: Harness) -> None:
    """After n deaths a request waits a random part of n leases more: here half of them."""
    await _die_in_a_row(harness, 2)
    harness.clock.advance(PUT_BACK)
    now = (harness.clock() - harness.clock.start).total_seconds()

    assert {"put-back": 1} == await harness.tick()

    assert await harness.due_at(now + LEASE + 0.5 * 2 * LEASE)
