"""Storage faults: before the claim is written they fail the invocation, afterwards they do not."""

from collections.abc import Awaitable, Callable

import pytest

from local.portal.script import Answer
from offer_cancellation.errors import StorageError
from tests.integration.faulty_proxy import Loss, Proxied
from tests.integration.harness import FIRST_WAIT, LEASE, REQUEST_ID, Harness

TRANSACTION = "$batch"
LOCATION = {"Location": "operations/1"}  # relative to the POST's own URL


async def test_a_200_takes_three_storage_requests(proxied: Proxied) -> None:
    """Claim, end, event; the due row goes together with what is written next."""
    proxied.harness.script(cancel=[Answer(200)])
    await proxied.harness.submit(requestId="the first one creates table and queue")
    await proxied.harness.send()
    proxied.table.requests.clear()
    proxied.queue.requests.clear()

    await proxied.harness.handle_one()

    assert ["POST"] * 2 == [request.partition("/")[0].strip() for request in proxied.table.requests]
    assert 1 == len(proxied.queue.requests)


# Before the claim is written.


async def test_an_invocation_fails_while_the_table_is_down(proxied: Proxied) -> None:
    """Nothing is posted without a claim; the message stays, and ends well afterwards."""
    harness = proxied.harness
    harness.script(cancel=[Answer(200)])
    await harness.send()
    proxied.table.down = True

    with pytest.raises(StorageError):
        await harness.deliver()

    assert 3 == len(proxied.table.requests)
    assert ([], 1) == (harness.seen(), len(await harness.waiting()))
    proxied.table.down = False
    await harness.deliver()
    await harness.ends("canceled")


async def test_taking_over_fails_while_the_table_is_down(proxied: Proxied) -> None:
    """Nor is anything posted without a claim of one's own."""
    harness = proxied.harness
    harness.script(cancel=[Answer(429), Answer(200)])
    await harness.submit()
    await harness.send()
    harness.clock.advance(FIRST_WAIT)
    proxied.table.lose_after(TRANSACTION, 1, Loss.REQUEST)
    proxied.table.lose(TRANSACTION, Loss.REQUEST, times=2)

    with pytest.raises(StorageError):
        await harness.deliver()

    await harness.holds("deferred", Attempts=1)
    await harness.deliver()
    assert 2 == (await harness.ends("canceled"))["attempts"]


async def test_an_invalid_message_stays_until_its_event_is_sent(proxied: Proxied) -> None:
    """It has no record: nothing but the message owes the event."""
    harness = proxied.harness
    await harness.send("{}")
    proxied.queue.down = True

    with pytest.raises(StorageError):
        await harness.deliver()

    proxied.queue.down = False
    await harness.deliver()
    assert "rejected" == (await harness.outcome())["status"]
    assert ["{}"] == await harness.rejected()


@pytest.mark.parametrize("loss", list(Loss))
async def test_a_blip_of_the_table_does_not_show(proxied: Proxied, loss: Loss) -> None:
    """A transaction lost, or its reply, at the claim and at the end: repeated, and recognised."""
    harness = proxied.harness
    harness.script(cancel=[Answer(200)])
    await harness.submit(requestId="first")
    for request_id in ("second", REQUEST_ID):
        proxied.table.lose(TRANSACTION, loss)
        await harness.submit(requestId=request_id)

    assert 3 == harness.count("cancel")
    assert ["canceled"] * 3 == [event["data"]["status"] for event in await harness.outcomes()]
    await harness.check_rule_1()


# Once the claim is written.


async def _deliver_into_an_outage(proxied: Proxied) -> None:
    """The table goes down while the POST is under way."""
    async with proxied.harness.delivering():
        await proxied.harness.until(lambda: proxied.harness.count("cancel") == 1)
        proxied.table.down = True


@pytest.mark.parametrize("status", [200, 202, 503], ids=["end", "accepted", "deferred"])
async def test_an_answer_that_cannot_be_written_down_is_uncertain(
    proxied: Proxied, status: int
) -> None:
    """The message is done all the same: a tick puts the request back, and the next one looks."""
    harness = proxied.harness
    harness.script(
        cancel=[Answer(status, None, LOCATION if status == 202 else {}, delay_seconds=0.2)],
        submissions=[Answer(200, [])],
    )
    await harness.send()

    await _deliver_into_an_outage(proxied)

    assert [] == await harness.waiting()
    await harness.holds("submitting", Attempts=0)
    proxied.table.down = False
    assert {"put-back": 1} == await harness.tick_after(LEASE + 10)
    await harness.deliver()
    data = await harness.ends("canceled")
    assert (True, 1, 1) == (data["uncertain"], data["attempts"], harness.count("cancel"))


Prepare = Callable[[Harness], Awaitable[object]]


async def _canceled_by_its_answer(harness: Harness) -> None:
    harness.script(cancel=[Answer(200)])
    await harness.send()


async def _deferred_past_its_deadline(harness: Harness) -> None:
    harness.script(cancel=[Answer(429)])
    await harness.submit(expiresAt=harness.clock.at(10).isoformat())
    harness.clock.advance(10)
    await harness.send()


async def _expired_before_it_came(harness: Harness) -> None:
    await harness.send(expiresAt=harness.clock.at(-1).isoformat())


async def _dead_claimer_past_its_deadline(harness: Harness) -> None:
    await harness.die_posting(expiresAt=harness.clock.at(10).isoformat())
    harness.clock.advance(LEASE + 5)
    await harness.send()


@pytest.mark.parametrize(
    "prepare",
    [
        _canceled_by_its_answer,
        _deferred_past_its_deadline,
        _expired_before_it_came,
        _dead_claimer_past_its_deadline,
    ],
)
async def test_an_event_that_cannot_be_sent_is_owed_by_the_row(
    proxied: Proxied, prepare: Prepare
) -> None:
    """The final status is written first, and the message is done; a tick sends the event."""
    harness = proxied.harness
    await prepare(harness)
    proxied.queue.down = True

    assert 1 == await harness.deliver()

    assert ([], []) == (await harness.waiting(), await harness.outcomes())
    assert 1 == len(await harness.due_rows())
    status = (await harness.record())["Status"]
    proxied.queue.down = False
    assert {"reported": 1} == await harness.tick_after(LEASE)
    assert status == (await harness.outcome())["status"]
    await harness.check_rule_1()


async def test_a_record_that_is_inserted_final_is_due_a_lease_later(proxied: Proxied) -> None:
    """So that whoever wrote it sends first."""
    proxied.queue.down = True

    await proxied.harness.submit(expiresAt=proxied.harness.clock.at(-1).isoformat())

    assert await proxied.harness.due_at(LEASE)


async def _owed(proxied: Proxied) -> Harness:
    """A final record whose event could not be sent, and another message of its request."""
    await _canceled_by_its_answer(proxied.harness)
    proxied.queue.down = True
    await proxied.harness.deliver()
    await proxied.harness.send()
    return proxied.harness


async def test_meeting_a_final_record_whose_row_is_there_does_not_fail(proxied: Proxied) -> None:
    """The row owes the event, not the message."""
    harness = await _owed(proxied)

    assert 1 == await harness.deliver()

    assert ([], []) == (await harness.waiting(), await harness.outcomes())
    assert await harness.due_at(LEASE)


async def test_meeting_a_final_record_whose_row_is_gone_fails(proxied: Proxied) -> None:
    """Then the message is all that owes the event: it comes again."""
    harness = await _owed(proxied)
    await harness.remove_due_rows()

    with pytest.raises(StorageError):
        await harness.deliver()

    proxied.queue.down = False
    await harness.deliver()
    await harness.ends("canceled")
    assert 1 == harness.count("cancel")


async def test_a_message_sends_the_event_that_is_owed(proxied: Proxied) -> None:
    """And has the row removed: the tick finds nothing."""
    harness = await _owed(proxied)
    proxied.queue.down = False

    await harness.deliver()

    await harness.ends("canceled")
    assert {} == await harness.tick_after(LEASE)


async def test_a_lost_reply_of_the_outcome_queue_repeats_the_same_event(proxied: Proxied) -> None:
    """At least one event; repeats carry the same id."""
    harness = proxied.harness
    harness.script(cancel=[Answer(200)])
    await harness.submit(requestId="creates the queue")
    proxied.queue.lose("messages", Loss.REPLY)

    await harness.submit()

    ids = [event["id"] for event in await harness.outcomes()]
    assert ids[1:] == [harness.event_id("canceled")] * 2
    assert {} == await harness.tick_after(FIRST_WAIT)
