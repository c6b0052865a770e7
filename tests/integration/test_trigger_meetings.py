"""What a message does that meets its request's record."""

import asyncio

import pytest

from local.portal.script import Answer
from tests.integration.harness import FIRST_WAIT, LEASE, OPERATION, Harness


async def test_a_final_record_s_event_is_sent_again(harness: Harness) -> None:
    """The same event, id and all; nothing is posted."""
    harness.script(cancel=[Answer(200)])
    await harness.submit()
    harness.clock.advance(60)

    await harness.submit()

    await harness.ends("canceled", events=2)
    first, second = await harness.outcomes()
    assert first == second
    assert 1 == harness.count("cancel")


async def test_a_live_lease_is_left_alone(harness: Harness) -> None:
    """Another worker holds it, until 5 s after the lease: clocks differ."""
    await harness.die_posting()
    harness.script(cancel=[Answer(200)], submissions=[Answer(200, [])])
    before = await harness.record()

    for seconds in (10, LEASE - 10, 4.999):
        harness.clock.advance(seconds)
        await harness.submit()

    assert before == await harness.record()
    assert await harness.due_at(LEASE)
    assert [] == await harness.waiting()
    assert ["cancel"] == [seen.kind for seen in harness.seen()]
    assert [] == await harness.outcomes()


async def test_a_lease_that_is_over_is_taken_over(harness: Harness) -> None:
    """5 s after its end the claimer is presumed dead, and its attempt for uncertain."""
    await harness.die_posting()
    harness.script(cancel=[Answer(200)], submissions=[Answer(404)])
    harness.clock.advance(LEASE + 5)

    await harness.submit()

    data = await harness.ends("canceled")
    assert (True, 2) == (data["uncertain"], data["attempts"])


async def test_a_lease_over_past_the_deadline_expires(harness: Harness) -> None:
    """The dead claimer's attempt is in the outcome, and nothing more is posted."""
    await harness.die_posting(expiresAt=harness.clock.at(60).isoformat())
    assert await harness.due_at(LEASE)
    harness.clock.advance(LEASE + 5)

    await harness.submit()

    data = await harness.ends("expired", "DeadlinePassed")
    assert (True, 1, 1) == (data["uncertain"], data["attempts"], harness.count("cancel"))


async def test_an_accepted_request_is_left_alone(harness: Harness) -> None:
    """The timer polls it; another message changes nothing."""
    harness.accept()
    await harness.submit()
    before = await harness.record()
    harness.clock.advance(FIRST_WAIT)

    await harness.submit()

    assert before == await harness.record()
    assert ["cancel"] == [seen.kind for seen in harness.seen()]
    await harness.holds("accepted")


async def test_a_deferred_request_that_is_not_due_is_left_alone(harness: Harness) -> None:
    """The timer puts it back when it is due, as `NextTryAt` says."""
    harness.script(cancel=[Answer(503), Answer(200)])
    await harness.submit()
    before = await harness.record()
    harness.clock.advance(FIRST_WAIT - 5.001)

    await harness.submit()

    assert before == await harness.record()
    assert 1 == harness.count("cancel")
    await harness.holds("deferred")


async def test_a_deferred_request_that_is_due_is_taken_over(harness: Harness) -> None:
    """Whichever message comes first goes on with it, up to 5 s early: clocks differ."""
    harness.script(cancel=[Answer(503), Answer(200)])
    await harness.submit()
    harness.clock.advance(FIRST_WAIT - 5)

    await harness.submit()

    assert 2 == (await harness.ends("canceled"))["attempts"]
    assert {} == await harness.tick()


async def test_a_deferred_request_past_its_deadline_expires(harness: Harness) -> None:
    """A message that comes too late ends it, with nothing more posted."""
    harness.script(cancel=[Answer(503)])
    await harness.submit(expiresAt=harness.clock.at(10).isoformat())
    assert await harness.due_at(10)
    harness.clock.advance(10)

    await harness.submit()

    assert 1 == (await harness.ends("expired", "DeadlinePassed"))["attempts"]
    assert 1 == harness.count("cancel")


async def test_messages_that_meet_at_once_post_once(harness: Harness) -> None:
    """Of several deliveries in flight, one claims the request."""
    harness.script(cancel=[Answer(200)])
    await harness.send()
    messages = [m async for m in harness.requests.receive_messages()]

    await asyncio.gather(
        *(harness.handle(harness.trigger_input(message)) for message in messages * 5)
    )
    await harness.services.ledger.flush()

    assert 1 == harness.count("cancel")
    assert 1 == (await harness.ends("canceled", events=len(await harness.outcomes())))["attempts"]


async def test_two_takers_of_one_request_post_once(harness: Harness) -> None:
    """Taking over is conditional on the ETag: the loser leaves it to the winner."""
    harness.script(cancel=[Answer(503), Answer(200)])
    await harness.submit()
    harness.clock.advance(FIRST_WAIT)
    await harness.send()
    messages = [m async for m in harness.requests.receive_messages()]

    await asyncio.gather(
        *(harness.handle(harness.trigger_input(message)) for message in messages * 5)
    )
    await harness.services.ledger.flush()

    assert 2 == harness.count("cancel")
    await harness.ends("canceled", events=len(await harness.outcomes()))


async def test_two_requests_for_one_offer_both_post(harness: Harness) -> None:
    """Two different requests are two requests."""
    harness.script(cancel=[Answer(200)])

    await harness.submit(requestId="one")
    await harness.submit(requestId="two")

    assert 2 == harness.count("cancel")
    assert ["one", "two"] == [event["data"]["requestId"] for event in await harness.outcomes()]


@pytest.mark.parametrize(
    "changed",
    [
        {"publisherId": "fabrikam"},
        {"offerId": "another-offer"},
        {"operationId": OPERATION.replace("5", "6")},
        {"operationId": ""},
    ],
    ids=str,
)
async def test_a_reused_request_id_is_invalid(harness: Harness, changed: dict[str, str]) -> None:
    """The same id with another publisher, offer or guard: rejected, kept, the record untouched."""
    harness.accept(Answer(200, {"status": "running"}))
    await harness.submit(operationId=OPERATION)
    before = await harness.record()
    fields = {"operationId": OPERATION, **changed}

    await harness.submit(**{name: value for name, value in fields.items() if value})

    data = await harness.outcome()
    assert ("rejected", "RequestIdReused") == (data["status"], data["error"]["code"])
    assert next(iter(changed)) in data["error"]["message"]
    assert 1 == len(await harness.rejected())
    assert before == await harness.record()
    assert 1 == harness.count("cancel")


async def test_letter_case_does_not_make_another_request(harness: Harness) -> None:
    """Publisher, offer and guard are the same in another case."""
    harness.accept(Answer(200, {"status": "running"}))
    await harness.submit(operationId=OPERATION)

    await harness.submit(
        operationId=OPERATION.upper(), offerId=harness.offer.upper(), publisherId="CONTOSO"
    )

    await harness.holds("accepted")
    assert [] == await harness.rejected()
