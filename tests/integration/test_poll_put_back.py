"""What a tick puts back on the queue: deferred requests when due, and those of dead claimers."""

import asyncio
import json

import pytest

from local.portal.script import Answer
from offer_cancellation.clock import rfc3339
from tests.integration.faulty_proxy import Loss, Proxied
from tests.integration.harness import FIRST_WAIT, LEASE, OPERATION, Harness, MakeHarness

TRACE = f"00-{'a' * 32}-{'b' * 16}-01"
FIELDS = {
    "operationId": OPERATION,
    "notificationEmails": "a@contoso.com,b@contoso.com",
    "correlationId": "c-1",
    "traceparent": TRACE,
}


async def test_a_deferred_request_is_put_back_when_it_is_due(harness: Harness) -> None:
    """A complete message with its id and its deadline; the due row moves on by a lease."""
    harness.script(cancel=[Answer(503)], operation=[Answer(200, {"status": "running"})])
    await harness.submit(**FIELDS)
    assert {} == await harness.tick_after(FIRST_WAIT - 0.001)

    assert {"put-back": 1} == await harness.tick_after(0.001)

    (text,) = await harness.waiting()
    assert json.loads(text) == {
        **FIELDS,
        "publisherId": "contoso",
        "offerId": harness.offer,
        "requestId": "r-1",
        "expiresAt": rfc3339(harness.clock.at(24 * 3600)),
    }
    await harness.holds("deferred", NextTryAt=harness.clock.at(FIRST_WAIT))
    assert await harness.due_at(FIRST_WAIT + LEASE)
    assert {} == await harness.tick_after(LEASE - 0.001)


async def test_a_plain_request_is_put_back_plainly(harness: Harness) -> None:
    """No field that the first message did not have, but id and deadline."""
    harness.script(cancel=[Answer(503)])
    await harness.submit(expiresAt=harness.clock.at(3600).isoformat())

    await harness.tick_after(FIRST_WAIT)

    (text,) = await harness.waiting()
    assert json.loads(text) == {
        "publisherId": "contoso",
        "offerId": harness.offer,
        "requestId": "r-1",
        "expiresAt": rfc3339(harness.clock.at(3600)),
    }


async def test_a_put_back_request_keeps_its_history(harness: Harness) -> None:
    """Insertion, deadline and counts are those of the first message."""
    harness.script(cancel=[Answer(503), Answer(200)])
    await harness.submit()

    await harness.tick_after(FIRST_WAIT)
    await harness.deliver()

    data = await harness.ends("canceled")
    assert (data["requestedAt"], data["durationSeconds"], data["attempts"]) == (
        rfc3339(harness.clock.start),
        FIRST_WAIT,
        2,
    )


async def test_a_dead_claimer_s_request_is_put_back(harness: Harness) -> None:
    """10 s after the end of its lease, not before: a message could have taken it over at 5 s."""
    await harness.die_posting()
    await harness.tick_after(LEASE + 9.999)
    await harness.holds("submitting")
    assert [] == await harness.waiting()
    assert await harness.due_at(LEASE)

    assert {"put-back": 1} == await harness.tick_after(0.001)

    await harness.holds("submitting", Attempts=0)
    assert 1 == len(await harness.waiting())
    assert await harness.due_at(LEASE + 10 + LEASE * 1.5)  # half of one lease more, for one death


async def test_a_message_that_is_lost_is_put_back_again(harness: Harness) -> None:
    """Nobody needs to have seen the first one; but unread ones do not pile up."""
    harness.script(cancel=[Answer(503), Answer(200)])
    await harness.submit()
    put_back = 0

    for _ in range(24):
        put_back += (await harness.tick_after(600))["put-back"]

    assert put_back == len(await harness.waiting()) <= 8
    await harness.deliver()
    assert 2 == harness.count("cancel")
    await harness.ends("canceled", events=len(await harness.outcomes()))


async def test_a_message_that_cannot_be_sent_is_put_back_later(proxied: Proxied) -> None:
    """The due row moves first: a queue that is down costs a lease, never the request."""
    harness = proxied.harness
    harness.script(cancel=[Answer(503), Answer(200)])
    await harness.submit()
    proxied.queue.lose("POST ", Loss.REQUEST, times=3)

    assert {"waiting": 1} == await harness.tick_after(FIRST_WAIT)

    await harness.holds("deferred")
    assert [] == await harness.waiting()
    assert {"put-back": 1} == await harness.tick_after(LEASE)
    await harness.deliver()
    await harness.ends("canceled")


async def test_two_timers_put_back_one_message(harness: Harness, make_harness: MakeHarness) -> None:
    """Moving the due row is conditional on the ETag: the loser sends nothing."""
    harness.script(cancel=[Answer(503)])
    await harness.submit()
    harness.clock.advance(FIRST_WAIT)
    other = make_harness(like=harness)

    came_to = await asyncio.gather(harness.tick(), other.tick())

    assert 1 == sum(one["put-back"] for one in came_to)
    assert 1 == len(await harness.waiting())
    assert await harness.due_at(FIRST_WAIT + LEASE)


@pytest.mark.parametrize("status", ["deferred", "submitting"])
async def test_what_is_past_its_deadline_ends(harness: Harness, status: str) -> None:
    """Expired by the tick, with the event, and with what is known of its attempt."""
    expires_at = harness.clock.at(10).isoformat()
    if status == "deferred":
        harness.script(cancel=[Answer(401)])
        await harness.submit(expiresAt=expires_at)
        assert await harness.due_at(10)
        harness.clock.advance(10)
    else:
        await harness.die_posting(expiresAt=expires_at)
        assert await harness.due_at(LEASE)
        harness.clock.advance(LEASE + 10)

    assert {"expired": 1} == await harness.tick()

    data = await harness.ends("expired", "DeadlinePassed")
    assert (1, True) == (data["attempts"], "uncertain" in data)
    assert [] == await harness.waiting()


async def test_a_tick_makes_the_request_queue(harness: Harness) -> None:
    """Producers need it before the app does."""
    await harness.tick()

    assert [] == [message async for message in harness.requests.receive_messages()]


async def test_a_queue_that_was_deleted_is_made_again(harness: Harness) -> None:
    """What is missing is created when it is needed."""
    harness.script(cancel=[Answer(503), Answer(200)])
    await harness.submit()
    await harness.tick()
    await harness.requests.delete_queue()

    assert {"put-back": 1} == await harness.tick_after(FIRST_WAIT)

    await harness.deliver()
    await harness.ends("canceled")
