"""What becomes of a request when the call gets no answer."""

import socket

import pytest

from local.portal.script import Answer, Fault
from tests.integration.harness import FIRST_WAIT, Harness, MakeHarness, timeout_for


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.parametrize("fault", [Fault.RESET_BEFORE, Fault.RESET_AFTER, Fault.HANG])
async def test_a_call_that_was_sent_is_uncertain(make_harness: MakeHarness, fault: Fault) -> None:
    """A reset or a time-out after sending: the POST may have arrived, and counts."""
    harness = make_harness(**timeout_for(Answer(fault=fault)))
    harness.script(cancel=[Answer(fault=fault)])

    await harness.submit()

    await harness.holds("deferred", Uncertain=True, Attempts=1, HttpStatus=None)
    assert await harness.due_at(FIRST_WAIT)
    assert await harness.waiting() == []


async def test_a_refused_connection_is_no_attempt(
    make_harness: MakeHarness, free_port: int
) -> None:
    """Nothing was sent: not uncertain, not counted, tried again later."""
    harness = make_harness(PARTNER_API_URL=f"http://127.0.0.1:{free_port}")

    await harness.submit()

    await harness.holds("deferred", Uncertain=False, Attempts=0)
    assert await harness.due_at(FIRST_WAIT)


async def test_without_a_token_nothing_is_sent(harness: Harness) -> None:
    """An outage of the token endpoint poisons nothing: the request waits, and then ends well."""
    harness.script(cancel=[Answer(200)])
    harness.around.identity.down = True

    await harness.submit()

    await harness.holds("deferred", Uncertain=False, Attempts=0)
    assert (harness.seen(), await harness.rejected()) == ([], [])
    harness.around.identity.down = False
    await harness.tick_after(FIRST_WAIT)
    await harness.deliver()
    assert (await harness.ends("canceled"))["attempts"] == 1


async def test_a_dead_api_is_waited_for_until_the_deadline(
    make_harness: MakeHarness, free_port: int
) -> None:
    """Waits grow, nothing is poisoned, and at the deadline the request expires."""
    harness = make_harness(PARTNER_API_URL=f"http://127.0.0.1:{free_port}")
    await harness.submit(expiresAt=harness.clock.at(600).isoformat())

    for _ in range(3):
        record = await harness.holds("deferred", Attempts=0)
        await harness.tick_after((record["NextTryAt"] - harness.clock()).total_seconds())
        await harness.deliver()
    await harness.tick_after(600)

    data = await harness.ends("expired", "DeadlinePassed")
    assert (data["attempts"], "uncertain" in data) == (0, False)
    assert await harness.rejected() == []


async def test_a_429_pauses_every_call(harness: Harness) -> None:
    """Until it is over nothing more is sent, for no offer; then it goes on, spread out."""
    harness.script(cancel=[Answer(429, headers={"Retry-After": "60"})])
    await harness.submit()
    harness.script(cancel=[Answer(200)])
    harness.clock.advance(10)

    await harness.submit(requestId="other")

    other = await harness.record("other")
    assert (other["Status"], other["Attempts"]) == ("deferred", 0)
    assert other["NextTryAt"] == harness.clock.at(60 + 15)
    await harness.check_rule_1("other")
    assert harness.count("cancel") == 1
    assert await harness.tick_after(65) == {"put-back": 2}
    await harness.deliver()
    ended = {event["data"]["requestId"]: event["data"]["attempts"] for event in
             await harness.outcomes()}  # fmt: skip
    assert ended == {"r-1": 2, "other": 1}


async def test_an_invocation_does_not_outlive_its_lease(harness: Harness) -> None:
    """With too little of the lease left for a call, it defers instead of posting."""
    guard = "56615b67-2185-49fe-80d2-c4ddf77bb2e8"
    harness.script(
        cancel=[Answer(200)], operation=[Answer(200, {"status": "running"}, delay_seconds=0.3)]
    )
    await harness.send(operationId=guard)
    async with harness.delivering():
        await harness.until(lambda: harness.count("operation") == 1)
        harness.clock.advance(216)

    await harness.holds("deferred", Attempts=0, Uncertain=False)
    assert harness.count("cancel") == 0
