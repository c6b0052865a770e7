"""Bugs and storage faults: what an invocation raises, and what the next delivery finds."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import pytest
from azure.core.exceptions import AzureError

from local.portal.script import Answer
from offer_cancellation.backoff import Backoff
from offer_cancellation.errors import InvocationError
from tests.integration.faulty_proxy import Loss, Proxied
from tests.integration.harness import FIRST_WAIT, LEASE, REQUEST_ID, Harness

TRANSACTION = "$batch"
OLD = {"submissionState": "running", "createdDateTime": "2020-01-01T00:00:00Z"}


def no_jitter() -> float:
    """A bug where nobody expects one: after the POST, before its answer is written down."""
    raise ZeroDivisionError


async def test_a_bug_ends_the_request_on_the_fifth_delivery(harness: Harness) -> None:
    """Before that, the claim is given up at once, uncertain where it had posted."""
    backoff = Backoff(15, 300, no_jitter)
    harness.services = replace(harness.services, backoff=backoff)
    harness.accept()
    await harness.send()

    for delivery in range(1, 5):
        with pytest.raises(InvocationError, match=f"ZeroDivisionError on delivery {delivery}"):
            await harness.deliver()
        await harness.holds("deferred", Uncertain=True, Attempts=delivery,
                            NextTryAt=harness.clock.start)  # fmt: skip
        assert await harness.due_at(LEASE)
        harness.script(cancel=[Answer(202)], submissions=[Answer(200, [OLD])])
    await harness.deliver()

    data = await harness.ends("failed", "InternalError")
    assert (True, 5) == (data["uncertain"], data["attempts"])
    assert [] == await harness.waiting()


async def test_a_bug_that_goes_away_costs_nothing(harness: Harness) -> None:
    """The next delivery takes the request over, and looks, as the POST may have worked."""
    whole, harness.services = (
        harness.services,
        replace(harness.services, backoff=Backoff(15, 300, no_jitter)),
    )
    harness.accept()
    await harness.send()
    with pytest.raises(InvocationError):
        await harness.deliver()
    harness.services = whole
    harness.script(cancel=[Answer(200)], submissions=[Answer(200, [])])

    await harness.deliver()

    data = await harness.ends("canceled")
    assert (True, 1, 1) == (data["uncertain"], data["attempts"], harness.count("cancel"))


def unsteady(clock: Iterator[bool], now: datetime) -> datetime:
    """The time, or a bug."""
    if next(clock):
        raise ZeroDivisionError
    return now


async def test_a_bug_before_the_claim_is_reported_and_kept(harness: Harness) -> None:
    """On the fifth delivery: a failed event, the text in the poison queue, no record."""
    turns = iter([True, False] * 5 + [False] * 50)
    harness.services = replace(harness.services, clock=lambda: unsteady(turns, harness.clock()))
    await harness.send()
    (text,) = await harness.waiting()

    for _ in range(4):
        with pytest.raises(InvocationError):
            await harness.deliver()
        assert ([], []) == (await harness.outcomes(), await harness.rejected())
    await harness.deliver()

    data = await harness.outcome()
    assert ("failed", "InternalError") == (data["status"], data["error"]["code"])
    assert [text] == await harness.rejected()
    assert not await harness.has_record()


async def test_a_200_takes_three_storage_requests(proxied: Proxied) -> None:
    """Claim, end, event: the rest is the host's."""
    proxied.harness.script(cancel=[Answer(200)])
    await proxied.harness.submit(requestId="the first one creates table and queue")
    proxied.table.requests.clear()
    proxied.queue.requests.clear()

    await proxied.harness.submit()

    assert ["POST"] * 2 == [request.partition("/")[0].strip() for request in proxied.table.requests]
    assert 1 == len(proxied.queue.requests)


async def test_an_invocation_raises_while_the_table_is_down(proxied: Proxied) -> None:
    """Nothing is posted without a claim; the message stays, and ends well afterwards."""
    harness = proxied.harness
    harness.script(cancel=[Answer(200)])
    await harness.send()
    proxied.table.down = True

    with pytest.raises(AzureError):
        await harness.deliver()

    assert 3 == len(proxied.table.requests)
    assert ([], 1) == (harness.seen(), len(await harness.waiting()))
    proxied.table.down = False
    await harness.deliver()
    await harness.ends("canceled")


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


async def test_an_outcome_that_cannot_be_sent_is_sent_by_the_next_delivery(
    proxied: Proxied,
) -> None:
    """The final status is written first; then the message is the outbox."""
    harness = proxied.harness
    harness.script(cancel=[Answer(200)])
    await harness.send()
    proxied.queue.down = True

    with pytest.raises(AzureError):
        await harness.deliver()

    assert ("canceled", []) == ((await harness.record())["Status"], await harness.outcomes())
    assert [] == await harness.due_rows()
    proxied.queue.down = False
    await harness.deliver()
    await harness.ends("canceled")
    assert 1 == harness.count("cancel")


async def deliver_into_an_outage(proxied: Proxied) -> None:
    """The table goes down while the POST is under way."""
    async with proxied.harness.delivering():
        await proxied.harness.until(lambda: proxied.harness.count("cancel") == 1)
        proxied.table.down = True


async def test_an_answer_that_cannot_be_written_down_is_uncertain(proxied: Proxied) -> None:
    """The table fails after the POST: the lease runs out, and the next one looks."""
    harness = proxied.harness
    harness.script(cancel=[Answer(200, delay_seconds=0.2)], submissions=[Answer(200, [])])
    await harness.send()

    with pytest.raises(AzureError):
        await deliver_into_an_outage(proxied)

    await harness.holds("submitting", Attempts=0)
    proxied.table.down = False
    await harness.deliver()
    await harness.holds("submitting")
    assert {"put-back": 1} == await harness.tick_after(LEASE + 5)
    await harness.deliver()
    data = await harness.ends("canceled")
    assert (True, 1, 1) == (data["uncertain"], data["attempts"], harness.count("cancel"))


async def test_a_lost_reply_of_the_outcome_queue_repeats_the_same_event(proxied: Proxied) -> None:
    """At least one event; repeats carry the same id."""
    harness = proxied.harness
    harness.script(cancel=[Answer(200)])
    await harness.submit(requestId="creates the queue")
    proxied.queue.lose("messages", Loss.REPLY)

    await harness.submit()

    ids = [event["id"] for event in await harness.outcomes()]
    assert {"r-1:1:canceled"} == set(ids[1:])
    assert {} == await harness.tick_after(FIRST_WAIT)
