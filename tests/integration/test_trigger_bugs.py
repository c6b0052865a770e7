"""Bugs in an invocation: what it raises, what it leaves behind, and how a fifth delivery ends."""

from collections.abc import Awaitable, Callable

import pytest

from local.portal.script import Answer
from offer_cancellation.errors import InvocationError
from offer_cancellation.request import InvalidRequest
from tests.integration.broken import a_bug_in
from tests.integration.faulty_proxy import Proxied
from tests.integration.harness import FIRST_WAIT, LEASE, Harness

OLD = {"submissionState": "running", "createdDateTime": "2020-01-01T00:00:00Z"}


async def _fail(harness: Harness, service: str, method: str, deliveries: int) -> None:
    """So many deliveries in a row that all have the same bug."""
    for _ in range(deliveries):
        with a_bug_in(harness, service, method), pytest.raises(InvocationError):
            await harness.deliver()


# The claim is held.


async def test_a_bug_releases_the_claim(harness: Harness) -> None:
    """Deferred and due now; the due row waits a lease for the message; no POST: not uncertain."""
    harness.script(cancel=[Answer(200)])
    await harness.send(operationId="11111111-2222-3333-4444-555555555555")

    await _fail(harness, "apis", "look", 1)

    await harness.holds("deferred", Uncertain=False, Attempts=0, NextTryAt=harness.clock.start)
    assert await harness.due_at(LEASE)
    assert 1 == len(await harness.waiting())


async def test_a_bug_after_the_post_is_uncertain(harness: Harness) -> None:
    """The next delivery takes the request over, and looks, as the POST may have worked."""
    harness.accept()
    await harness.send()

    await _fail(harness, "backoff", "until", 1)

    await harness.holds("deferred", Uncertain=True, Attempts=1, NextTryAt=harness.clock.start)
    harness.script(cancel=[Answer(200)], submissions=[Answer(200, [])])
    await harness.deliver()
    data = await harness.ends("canceled")
    assert (True, 1, 1) == (data["uncertain"], data["attempts"], harness.count("cancel"))


async def test_a_bug_ends_what_is_held_on_the_fifth_delivery(harness: Harness) -> None:
    """Failed, uncertain as it had posted, and the message is done."""
    harness.accept()
    await harness.send()
    await _fail(harness, "backoff", "until", 1)
    harness.script(cancel=[Answer(202)], submissions=[Answer(200, [OLD])])
    await _fail(harness, "backoff", "until", 3)

    with a_bug_in(harness, "backoff", "until"):
        await harness.deliver()

    data = await harness.ends("failed", "InternalError")
    assert (True, 5) == (data["uncertain"], data["attempts"])
    assert [] == await harness.waiting()


async def test_the_text_of_a_bug_is_told_to_nobody(harness: Harness) -> None:
    """It may quote the message: the host logs the exception's type alone, the event too."""
    harness.script(cancel=[Answer(200)])
    await harness.send()

    with a_bug_in(harness, "apis", "cancel"), pytest.raises(InvocationError) as raised:
        await harness.deliver()

    assert "ZeroDivisionError on delivery 1" == str(raised.value)
    assert raised.value.__suppress_context__


async def _bug_into_an_outage(proxied: Proxied) -> None:
    """The table goes down while the POST is under way, and its answer meets a bug."""
    with a_bug_in(proxied.harness, "backoff", "until"):
        async with proxied.harness.delivering():
            await proxied.harness.until(lambda: proxied.harness.count("cancel") == 1)
            proxied.table.down = True


async def test_a_release_that_fails_counts_as_a_death(proxied: Proxied) -> None:
    """Nothing could be written: the lease runs out, as if the worker had died."""
    harness = proxied.harness
    location = {"Location": harness.location}
    harness.script(
        cancel=[Answer(202, headers=location, delay_seconds=0.2), Answer(200)],
        submissions=[Answer(404)],
    )
    await harness.send()

    await _bug_into_an_outage(proxied)

    proxied.table.down = False
    await harness.holds("submitting", Attempts=0)
    assert {"put-back": 1} == await harness.tick_after(LEASE + 10)
    await harness.deliver()
    assert (await harness.ends("canceled"))["uncertain"]
    assert 1 == (await harness.record())["Deaths"]


async def test_a_bug_in_the_release_quotes_no_message_either(harness: Harness) -> None:
    """What the host sees is the first bug's type, whatever the second one says."""
    harness.script(cancel=[Answer(200)])
    await harness.send()

    with (
        a_bug_in(harness, "ledger", "save", times=2),
        pytest.raises(InvocationError, match="ZeroDivisionError on delivery 1"),
    ):
        await harness.deliver()

    await harness.holds("submitting")


# The record is another invocation's, or there is none.


async def test_a_record_of_another_is_left_to_the_ledger(harness: Harness) -> None:
    """However often a message fails on taking over, nothing is written; the fifth is the last."""
    harness.script(cancel=[Answer(503), Answer(200)], submissions=[Answer(404)])
    await harness.submit()
    before = await harness.record()
    await harness.send()
    harness.clock.advance(FIRST_WAIT)
    await _fail(harness, "ledger", "save", 4)

    with a_bug_in(harness, "ledger", "save"):
        await harness.deliver()

    assert before == await harness.record()
    assert ([], []) == (await harness.waiting(), await harness.outcomes())
    await harness.tick()
    await harness.deliver()
    await harness.ends("canceled")


async def test_without_a_record_one_is_inserted_that_has_failed(harness: Harness) -> None:
    """A valid request ends by its record, even where a bug never let it be claimed."""
    await harness.send(correlationId="c-1")
    await _fail(harness, "ledger", "insert", 4)
    assert [] == await harness.rows()

    with a_bug_in(harness, "ledger", "insert"):
        await harness.deliver()

    data = await harness.ends("failed", "InternalError")
    assert (0, "c-1", False) == (data["attempts"], data["correlationId"], "uncertain" in data)
    assert ([], []) == (await harness.rejected(), harness.seen())


async def test_the_failed_record_owes_its_event(proxied: Proxied) -> None:
    """Its due row is there from the start: the event goes out once its place is back."""
    harness = proxied.harness
    await harness.send()
    await _fail(harness, "ledger", "insert", 4)

    proxied.queue.down = True
    with a_bug_in(harness, "ledger", "insert"):
        await harness.deliver()

    proxied.queue.down = False
    assert await harness.due_at(LEASE)
    await harness.tick_after(LEASE)
    await harness.ends("failed", "InternalError")


async def test_a_message_that_cannot_be_parsed(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no request: a failed event without a record, the text kept in the rejected queue."""

    def broken(_text: str, _message_id: str) -> InvalidRequest:
        raise ZeroDivisionError

    message_id = await harness.send("{")
    monkeypatch.setattr("cancel_trigger.submission.parse", broken)
    for _ in range(4):
        with pytest.raises(InvocationError):
            await harness.deliver()
    assert ([], []) == (await harness.outcomes(), await harness.rejected())

    await harness.deliver()

    data = await harness.outcome()
    assert ("failed", "InternalError") == (data["status"], data["error"]["code"])
    assert (f"msg-{message_id}", ["{"]) == (data["requestId"], await harness.rejected())
    assert [] == await harness.rows()


async def test_a_message_of_an_unreadable_record(harness: Harness) -> None:
    """However often it comes, the record alone decides: one event, once it is mended."""
    harness.accept(Answer(200, {"status": "completed"}))
    await harness.submit()
    whole = await harness.record()
    await harness.edit(Status="weird")

    await harness.submit()
    await harness.send()
    await _fail(harness, "ledger", "insert", 4)
    with a_bug_in(harness, "ledger", "insert"):
        await harness.deliver()

    assert ([], []) == (await harness.outcomes(), await harness.rejected())
    await harness.edit(Status=whole["Status"])
    await harness.tick_after(60)
    await harness.ends("canceled")


# The record is final.

Meet = Callable[[Harness], Awaitable[object]]


async def _end(harness: Harness) -> None:
    """A 200 ends it, by the message that it came with."""
    harness.script(cancel=[Answer(200)])
    await harness.send()


async def _expire(harness: Harness) -> None:
    """A message meets a deferred record past its deadline."""
    harness.script(cancel=[Answer(429)])
    await harness.submit(expiresAt=harness.clock.at(10).isoformat())
    harness.clock.advance(10)
    await harness.send()


async def _insert_expired(harness: Harness) -> None:
    """A message comes after its deadline."""
    await harness.send(expiresAt=harness.clock.at(-1).isoformat())


async def _meet_owed(harness: Harness) -> None:
    """A message meets a final record whose event is owed."""
    await _end(harness)
    with a_bug_in(harness, "outcomes", "send"):
        await harness.deliver()
    await harness.send()


@pytest.mark.parametrize("meet", [_end, _expire, _insert_expired, _meet_owed])
async def test_a_bug_once_the_record_is_final_leaves_the_event_to_the_row(
    harness: Harness, meet: Meet
) -> None:
    """The message is done; a tick sends the event, when the bug is gone, and removes the row."""
    await meet(harness)

    with a_bug_in(harness, "outcomes", "send"):
        assert 1 == await harness.deliver()

    assert ([], []) == (await harness.waiting(), await harness.outcomes())
    assert 1 == len(await harness.due_rows())
    status = (await harness.record())["Status"]
    assert {"reported": 1} == await harness.tick_after(LEASE)
    assert status == (await harness.outcome())["status"]
    await harness.check_rule_1()


async def test_a_bug_where_nothing_owes_the_event(harness: Harness) -> None:
    """A final record whose row is gone: the message fails, and the fifth delivery is the last."""
    harness.script(cancel=[Answer(200)])
    await harness.submit()
    await harness.send()

    await _fail(harness, "outcomes", "send", 4)
    with a_bug_in(harness, "outcomes", "send"):
        await harness.deliver()

    assert [] == await harness.waiting()
    await harness.ends("canceled")
