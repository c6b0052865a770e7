"""What follows when a message meets the record of its request. Pure.

status            the message …
final             … sends the event again
lease still held  … has nothing to do: somebody is at it
accepted          … has nothing to do: the timer polls
deferred, not due … has nothing to do: the timer puts it back when due
otherwise         … takes the request over
"""

from datetime import datetime
from enum import Enum, auto

from offer_cancellation.ledger.record import Record
from offer_cancellation.status import Status


class Meeting(Enum):
    """What a message does about a record that was there before it."""

    REPORT_AGAIN = auto()
    LEAVE = auto()
    TAKE_OVER = auto()


def meet(record: Record, now: datetime) -> Meeting:
    """Decides by the record's status and its times."""
    if record.status.is_final:
        return Meeting.REPORT_AGAIN
    if record.status is Status.SUBMITTING and record.is_lease_over(now):
        return Meeting.TAKE_OVER
    is_due = record.next_try_at is None or record.next_try_at <= now
    if record.status is Status.DEFERRED and is_due:
        return Meeting.TAKE_OVER
    return Meeting.LEAVE
