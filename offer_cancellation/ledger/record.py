"""The record of one request: frozen, and each step of its life is a pure function to the next.

Times are aware UTC in whole milliseconds. Columns of the table are these fields in PascalCase.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from offer_cancellation.clock import after, rfc3339
from offer_cancellation.status import CODE_LIMIT, MESSAGE_LIMIT, Ending, Error, Status
from offer_cancellation.text import clean, cut

VERSION = 1
LOCATION_LIMIT = 4096
STATUS_LIMIT = 128
TAKE_OVER_SECONDS = 5  # a lease is over only this much later: clocks differ


@dataclass(frozen=True, slots=True)
class Seen:
    """What a poll saw that did not end the request."""

    operation_status: str | None = None
    location: str | None = None  # polled from now on
    refused_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One request as the ledger keeps it. `due_at` is the time of its due row, None without."""

    request_id: str
    publisher_id: str
    offer_id: str
    status: Status
    requested_at: datetime
    deadline: datetime

    notification_emails: str | None = None  # comma-separated, as the API takes it
    operation_id: str | None = None  # the guard
    correlation_id: str | None = None
    traceparent: str | None = None

    run: int = 1
    attempts: int = 0
    polls: int = 0
    deferrals: int = 0
    uncertain: bool = False
    http_status: int | None = None
    location: str | None = None
    operation_status: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    last_status: int | None = None  # what the last answer said that did not end the request
    last_code: str | None = None
    last_message: str | None = None

    lease_until: datetime | None = None
    first_attempt_at: datetime | None = None
    accepted_at: datetime | None = None
    next_try_at: datetime | None = None
    # Since when a POST after an uncertain attempt, or the polls, had no answer but a refusal.
    refused_since: datetime | None = None
    uncertain_since: datetime | None = None  # begin of the first uncertain attempt of this run
    finished_at: datetime | None = None
    due_at: datetime | None = None

    version: int = VERSION
    etag: str = ""  # of the row as it was read or written; not a column

    @property
    def error(self) -> Error | None:
        """The error of a final record, if it has one."""
        return Error(self.error_code, self.error_message or "") if self.error_code else None

    def is_past_deadline(self, now: datetime) -> bool:
        """Whether its time is over."""
        return now >= self.deadline

    def is_lease_over(self, now: datetime) -> bool:
        """Whether its claimer must be taken for dead."""
        return self.lease_until is None or now >= after(self.lease_until, TAKE_OVER_SECONDS)


def taken_over(record: Record, now: datetime, lease_seconds: float) -> Record:
    """The claim of a deferred request, or of one whose claimer died.

    A dead claimer's attempt counts, and is uncertain: its POST may have arrived.
    """
    died = record.status is Status.SUBMITTING
    lease_until = after(now, lease_seconds)
    attempts = record.attempts + died
    return replace(
        record,
        status=Status.SUBMITTING,
        attempts=attempts,
        first_attempt_at=record.first_attempt_at if attempts else now,
        uncertain=record.uncertain or died,
        lease_until=lease_until,
        next_try_at=None,
        due_at=lease_until,
    )


def posting(record: Record, now: datetime) -> Record:
    """One more attempt begins."""
    first = record.first_attempt_at if record.attempts else now
    return replace(record, attempts=record.attempts + 1, first_attempt_at=first)


def deferred(
    record: Record, until: datetime, http_status: int | None = None, *, uncertain: bool = False
) -> Record:
    """Not now: tried again at `until`, at the latest when its deadline passes."""
    until = min(until, record.deadline)
    return replace(
        record,
        status=Status.DEFERRED,
        deferrals=record.deferrals + 1,
        uncertain=record.uncertain or uncertain,
        http_status=http_status or record.http_status,
        lease_until=None,
        next_try_at=until,
        due_at=until,
    )


def released(record: Record, now: datetime, due_at: datetime, *, uncertain: bool) -> Record:
    """A claim given up after a bug: due at once for the message's next delivery.

    The due row waits longer, so that the timer does not put a second message on the queue.
    """
    record = deferred(record, now, uncertain=uncertain)
    return replace(record, due_at=min(due_at, record.deadline))


def accepted(
    record: Record, now: datetime, next_poll: datetime, http_status: int, location: str | None
) -> Record:
    """The API works on it: polled from `next_poll` on. No location: the offer's list is polled."""
    next_poll = min(next_poll, record.deadline)
    return replace(
        record,
        status=Status.ACCEPTED,
        http_status=http_status,
        location=location,
        accepted_at=now,
        refused_since=None,
        lease_until=None,
        next_try_at=next_poll,
        due_at=next_poll,
    )


def pending(record: Record, next_poll: datetime, polls: int, seen: Seen) -> Record:
    """Polled `polls` times more and not done: polled again at `next_poll`."""
    next_poll = min(next_poll, record.deadline)
    return replace(
        record,
        polls=record.polls + polls,
        operation_status=_short(seen.operation_status, STATUS_LIMIT) or record.operation_status,
        location=seen.location or record.location,
        refused_since=seen.refused_since,
        next_try_at=next_poll,
        due_at=next_poll,
    )


def put_back(record: Record, now: datetime, lease_seconds: float) -> Record:
    """On the queue again: its due row moves on, in case that message is lost.

    It waits a lease, or as long as the request is overdue already: messages that nobody reads
    must not pile up.
    """
    due_since = record.lease_until or record.next_try_at or now
    overdue = (now - due_since).total_seconds()
    due_at = after(now, max(lease_seconds, overdue))
    if record.status is Status.DEFERRED:
        due_at = min(due_at, record.deadline)
    return replace(record, due_at=due_at)


def finished(record: Record, now: datetime, ending: Ending) -> Record:
    """The end. The due row is left as it is: whoever writes the record decides on it."""
    error = ending.error
    return replace(
        record,
        status=ending.status,
        error_code=cut(clean(error.code), CODE_LIMIT) if error else None,
        error_message=cut(clean(error.message), MESSAGE_LIMIT) if error else None,
        http_status=ending.http_status or record.http_status,
        operation_status=_short(ending.operation_status, STATUS_LIMIT) or record.operation_status,
        location=_short(ending.location, LOCATION_LIMIT) or record.location,
        lease_until=None,
        next_try_at=None,
        finished_at=now,
    )


def expired(record: Record, now: datetime) -> Record:
    """The end of a request whose deadline passed."""
    error = Error("DeadlinePassed", f"not done by {rfc3339(record.deadline)}")
    return finished(record, now, Ending(Status.EXPIRED, error))


def _short(text: str | None, most: int) -> str | None:
    return cut(clean(text), most) if text else None
