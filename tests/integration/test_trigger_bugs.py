"""A bug while a message meets a record that is already there."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest
from azure.functions.queue import QueueMessage

from local.portal.script import Answer
from offer_cancellation.backoff import Backoff
from offer_cancellation.errors import InvocationError
from tests.integration.harness import LEASE, PUBLISHER, REQUEST_ID, Harness

BEFORE_THE_MEETING = 2  # times that a delivery asks for the time before it meets a record
FIFTH = 5


def _fails_at(turn: int, clock: Callable[[], datetime]) -> Callable[[], datetime]:
    """A clock with a bug: it raises once, after so many turns."""
    turns = 0

    def ask() -> datetime:
        nonlocal turns
        turns += 1
        if turns == turn + 1:
            raise ZeroDivisionError
        return clock()

    return ask


async def _deliver_with_a_bug(harness: Harness) -> None:
    whole = harness.services
    harness.services = replace(whole, clock=_fails_at(BEFORE_THE_MEETING, whole.clock))
    try:
        await harness.deliver()
    finally:
        harness.services = whole


async def test_a_request_that_is_due_ends_on_the_fifth_delivery(harness: Harness) -> None:
    """It ends once, by its record, and with the record's event."""
    harness.script(cancel=[Answer(429, headers={"Retry-After": "5"})])
    await harness.submit()
    await harness.send()
    harness.clock.advance(60)
    for _ in range(FIFTH - 1):
        with pytest.raises(InvocationError):
            await _deliver_with_a_bug(harness)
    await _deliver_with_a_bug(harness)
    await harness.ends("failed", "InternalError")


async def test_a_request_that_is_being_polled_is_left_to_the_timer(harness: Harness) -> None:
    """However often a duplicate of its message fails, the record stands; it ends as it should."""
    harness.accept(Answer(200, {"status": "completed"}))
    await harness.submit()
    await harness.send()
    for _ in range(FIFTH + 1):
        with pytest.raises(InvocationError):
            await _deliver_with_a_bug(harness)
    await harness.holds("accepted")
    await harness.tick_after(60)
    await harness.ends("canceled")


async def test_a_bug_after_the_post_on_the_fifth_delivery(harness: Harness) -> None:
    """Its POST was answered, but what it said is lost: the outcome is uncertain."""

    def jitter() -> float:
        raise ZeroDivisionError

    harness.accept()
    harness.services = replace(harness.services, backoff=Backoff(15, 300, jitter))
    text = json.dumps({"publisherId": PUBLISHER, "offerId": harness.offer, "requestId": REQUEST_ID})
    await harness.handle(_message(harness, text, FIFTH))
    data = await harness.ends("failed", "InternalError")
    assert (True, 1) == (data["uncertain"], data["attempts"])


async def test_a_bug_on_taking_over_from_a_dead_claimer(harness: Harness) -> None:
    """The dead claimer's attempt counts, and makes the outcome uncertain."""
    await harness.die_posting()
    harness.clock.advance(LEASE + 6)
    text = json.dumps({"publisherId": PUBLISHER, "offerId": harness.offer, "requestId": REQUEST_ID})
    clock = _fails_at(BEFORE_THE_MEETING, harness.services.clock)
    harness.services = replace(harness.services, clock=clock)
    await harness.handle(_message(harness, text, FIFTH))
    data = await harness.ends("failed", "InternalError")
    assert (True, 1) == (data["uncertain"], data["attempts"])


async def test_a_message_of_an_unreadable_record(harness: Harness) -> None:
    """However often it comes, the record alone decides: one event, once it is mended."""
    harness.accept(Answer(200, {"status": "completed"}))
    await harness.submit()
    whole = await harness.record()
    await harness.edit(Status="weird")
    text = json.dumps({"publisherId": PUBLISHER, "offerId": harness.offer, "requestId": REQUEST_ID})
    await harness.handle(_message(harness, text, FIFTH))
    assert ([], []) == (await harness.outcomes(), await harness.rejected())
    await harness.edit(Status=whole["Status"])
    await harness.tick_after(60)
    await harness.ends("canceled")


def _message(harness: Harness, text: str, deliveries: int) -> QueueMessage:
    return QueueMessage(  # type: ignore[no-untyped-call]
        id="m-1", body=text, dequeue_count=deliveries, insertion_time=harness.clock()
    )
