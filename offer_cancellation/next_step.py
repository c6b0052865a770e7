"""Decides what a request needs now, from its record alone: one table for both functions.

    record                          step      the trigger             the timer
    final                           REPORT    sends the event again   the same
    accepted                        POLL      nothing                 polls
    lease held                      LEAVE     nothing                 nothing
    past its deadline               EXPIRE    ends it                 the same
    five claimers died in a row     GIVE_UP   ends it                 the same
    deferred, not due               LEAVE     nothing                 nothing
    deferred and due, or lease over RESUME    takes over, attempts    puts it back on the queue

An accepted request past its deadline is polled once more: the poll ends it. `NextTryAt`, not the
due row, says when a deferred request is due: a put-back moves the due row on, and the message that
it sends must still find the request due.
"""

from datetime import datetime
from enum import Enum, auto

from offer_cancellation.clock import after
from offer_cancellation.ledger.record import Record
from offer_cancellation.status import Status

CLOCK_TOLERANCE = 5.0  # seconds that the clocks of two instances may be apart
MAX_DEATHS = 5  # claimers that died in a row


class NextStep(Enum):
    """What a record asks for."""

    REPORT = auto()
    POLL = auto()
    LEAVE = auto()
    EXPIRE = auto()
    GIVE_UP = auto()
    RESUME = auto()


def next_step(record: Record, now: datetime, lease_margin: float = CLOCK_TOLERANCE) -> NextStep:
    """Looks a record up in the table above.

    A claimer is presumed dead `lease_margin` seconds after its lease ran out.
    """
    if record.status.is_final:
        return NextStep.REPORT
    if record.status is Status.ACCEPTED:
        return NextStep.POLL
    if record.status is Status.SUBMITTING:
        return _step_of_claimed(record, now, lease_margin)

    if record.is_past_deadline(now):
        return NextStep.EXPIRE

    return NextStep.RESUME if is_due(record, now) else NextStep.LEAVE


def is_held(record: Record, now: datetime, lease_margin: float = CLOCK_TOLERANCE) -> bool:
    """Whether a claimer may still be at work on it."""
    if record.status is not Status.SUBMITTING or record.lease_until is None:
        return False

    return now < after(record.lease_until, lease_margin)


def _step_of_claimed(record: Record, now: datetime, lease_margin: float) -> NextStep:
    if is_held(record, now, lease_margin):
        return NextStep.LEAVE
    if record.is_past_deadline(now):
        return NextStep.EXPIRE

    has_another_try = record.deaths + 1 < MAX_DEATHS  # this claimer is dead, too

    return NextStep.RESUME if has_another_try else NextStep.GIVE_UP


def is_due(record: Record, now: datetime) -> bool:
    """Whether a deferred request may be tried again: its time is there, or almost."""
    return record.next_try_at is None or record.next_try_at <= after(now, CLOCK_TOLERANCE)
