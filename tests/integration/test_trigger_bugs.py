"""A bug while a message meets a record that is already there."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest
from harness import Harness

from cancel_trigger.submission import InvocationError
from local.portal_script import Answer

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
    whole = harness.clients
    harness.clients = replace(whole, clock=_fails_at(BEFORE_THE_MEETING, whole.clock))
    try:
        await harness.deliver()
    finally:
        harness.clients = whole


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
