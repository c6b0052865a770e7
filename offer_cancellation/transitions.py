"""The steps of a request's life: each a pure function from one record to the next.

A step of a record that is not final also says when its due row is due. A final record keeps the
due row that it had: the row owes the event (`offer_cancellation/outcome.py` removes it).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from offer_cancellation.clock import after, rfc3339
from offer_cancellation.ledger.record import Record
from offer_cancellation.request import CancelRequest
from offer_cancellation.settings import Settings
from offer_cancellation.status import (
    CODE_LIMIT,
    MESSAGE_LIMIT,
    Ending,
    Error,
    ErrorCode,
    Status,
)
from offer_cancellation.text import clean, cut

LOCATION_LIMIT = 4096
STATUS_LIMIT = 128
_REASON_LIMIT = 1000  # characters of what the last answer said
_OWED_MIN_SECONDS, _OWED_MAX_SECONDS = 30.0, 3600.0  # between two tries to send an owed event


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a request waits: what the last answer said, or why there was none."""

    http_status: int | None = None
    error: Error | None = None


# How a record begins.


def claimed(
    request: CancelRequest, inserted_at: datetime, now: datetime, settings: Settings
) -> Record:
    """The claim of a request that has no record yet, for one lease."""
    lease_until = after(now, settings.lease_seconds)

    return replace(
        adopted(request, inserted_at, now, settings),
        status=Status.SUBMITTING,
        first_attempt_at=now,
        attempt_at=now,
        lease_until=lease_until,
        next_try_at=None,
        due_at=lease_until,
    )


def adopted(
    request: CancelRequest, inserted_at: datetime, now: datetime, settings: Settings
) -> Record:
    """A request that nobody has claimed yet: deferred, and due now.

    Its deadline counts from its message's insertion, which cannot lie in the future.
    """
    requested_at = min(inserted_at, now)
    deadline = after(requested_at, settings.deadline_hours * 3600)
    if request.expires_at:
        deadline = min(deadline, request.expires_at)

    return Record(
        request_id=request.request_id,
        publisher_id=request.publisher_id,
        offer_id=request.offer_id,
        notification_emails=",".join(request.notification_emails) or None,
        operation_id=request.operation_id or None,
        correlation_id=request.correlation_id or None,
        traceparent=request.traceparent or None,
        source=settings.source,
        status=Status.DEFERRED,
        requested_at=requested_at,
        deadline=deadline,
        next_try_at=now,
        due_at=now,
    )


# An attempt.


def taken_over(record: Record, now: datetime, lease_seconds: float) -> Record:
    """The claim of a deferred request, or of one whose claimer died.

    A dead claimer's attempt counts, and is uncertain: its POST may have arrived.
    """
    died = record.status is Status.SUBMITTING
    lease_until = after(now, lease_seconds)

    return replace(
        _uncertain(record) if died else record,
        status=Status.SUBMITTING,
        attempts=record.attempts + died,
        deaths=record.deaths + 1 if died else record.deaths,
        first_attempt_at=record.first_attempt_at or now,
        attempt_at=now,
        lease_until=lease_until,
        next_try_at=None,
        due_at=lease_until,
    )


def posting(record: Record, now: datetime) -> Record:
    """One more POST begins."""
    return replace(record, attempts=record.attempts + 1, attempt_at=now)


def accepted(
    record: Record,
    now: datetime,
    next_poll: datetime,
    http_status: int,
    location: str | None,
    *,
    operation_status: str | None = None,
) -> Record:
    """The API works on it: polled from `next_poll` on. No location: the offer's list is polled."""
    next_poll = min(next_poll, record.deadline)

    return replace(
        _answered(record, Reason(http_status)),
        status=Status.ACCEPTED,
        deaths=0,
        http_status=http_status,
        location=location,
        operation_status=_short(operation_status, STATUS_LIMIT) or record.operation_status,
        accepted_at=now,
        refused_since=None,
        lease_until=None,
        next_try_at=next_poll,
        due_at=next_poll,
    )


def deferred(
    record: Record,
    until: datetime,
    *,
    http_status: int | None = None,
    uncertain: bool = False,
    refused_since: datetime | None = None,
    reason: Reason | None = None,
) -> Record:
    """Not now: tried again at `until`, at the latest when its deadline passes."""
    until = min(until, record.deadline)
    record = _answered(record, reason)

    return replace(
        _uncertain(record) if uncertain else record,
        status=Status.DEFERRED,
        deferrals=record.deferrals + 1,
        deaths=0,
        http_status=http_status or record.http_status,
        refused_since=refused_since,
        lease_until=None,
        next_try_at=until,
        due_at=until,
    )


def released(record: Record, now: datetime, lease_seconds: float, *, uncertain: bool) -> Record:
    """A claim given up after a bug: due now for the message's next delivery.

    The due row waits a lease, so that the timer does not put a second message on the queue.
    """
    due_at = min(after(now, lease_seconds), record.deadline)
    kept = deferred(record, now, uncertain=uncertain, refused_since=record.refused_since)

    return replace(kept, deaths=record.deaths, due_at=due_at)


def put_back(
    record: Record, now: datetime, lease_seconds: float, jitter: Callable[[], float]
) -> Record:
    """On the queue again: its due row moves on, in case that message is lost.

    It waits a lease, or as long as the request is overdue already: messages that nobody reads
    must not pile up. After n dead claimers it waits a random part of n leases more, so that
    requests whose claimers died together part.
    """
    due_since = record.lease_until or record.next_try_at or now
    overdue = (now - due_since).total_seconds()
    deaths = record.deaths + (record.status is Status.SUBMITTING)
    wait = max(lease_seconds, overdue) + jitter() * deaths * lease_seconds

    return replace(record, due_at=min(after(now, wait), record.deadline))


# A poll.


def polled(
    record: Record,
    next_poll: datetime,
    *,
    polls: int,
    operation_status: str | None = None,
    location: str | None = None,
    refused_since: datetime | None = None,
    reason: Reason | None = None,
) -> Record:
    """Polled `polls` times more and not done: polled again at `next_poll`."""
    next_poll = min(next_poll, record.deadline)
    record = _answered(record, reason)

    return replace(
        record,
        polls=record.polls + polls,
        operation_status=_short(operation_status, STATUS_LIMIT) or record.operation_status,
        location=location or record.location,
        refused_since=refused_since,
        next_try_at=next_poll,
        due_at=next_poll,
    )


def counted(record: Record, polls: int) -> Record:
    """Polls of another timer that lost the race to write: they count all the same."""
    return replace(record, polls=record.polls + polls)


def with_due_time(record: Record, now: datetime) -> Record:
    """A record that names a due time: now, where an edit removed it."""
    return replace(record, due_at=record.due_at or now)


# The end.


def finished(record: Record, now: datetime, ending: Ending) -> Record:
    """The end. Its due row stays, and owes the event."""
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
    """The end of a request whose deadline passed; its error names the last answer."""
    if record.status is Status.SUBMITTING:  # its claimer died
        record = replace(_uncertain(record), attempts=record.attempts + 1)
    text = f"not done by {rfc3339(record.deadline)}"
    if last := _last_answer(record):
        text = f"{text}; the last answer was {last}"

    return finished(record, now, Ending(Status.EXPIRED, Error(ErrorCode.DEADLINE_PASSED, text)))


def given_up(record: Record, now: datetime) -> Record:
    """The end of a request that its claimers die of."""
    deaths = record.deaths + 1
    text = f"its worker died {deaths} times in a row while it was submitting the request"
    error = Error(ErrorCode.INTERNAL_ERROR, text)
    record = replace(_uncertain(record), attempts=record.attempts + 1, deaths=deaths)

    return finished(record, now, Ending(Status.FAILED, error))


def failed_by_bug(record: Record, now: datetime, bug: Exception, *, has_posted: bool) -> Record:
    """The end of a request that a bug ended."""
    record = _uncertain(record) if has_posted else record

    return finished(record, now, Ending(Status.FAILED, internal_error(bug)))


def internal_error(bug: Exception) -> Error:
    """What an outcome says of a bug: its type alone, its text may quote a message."""
    text = f"an unexpected {type(bug).__name__}; see the logs"

    return Error(ErrorCode.INTERNAL_ERROR, text)


def owed(record: Record, now: datetime) -> Record:
    """A final record whose event could not be sent: tried again, ever more rarely."""
    waited = (now - (record.finished_at or now)).total_seconds()
    wait = min(max(waited, _OWED_MIN_SECONDS), _OWED_MAX_SECONDS)

    return replace(record, due_at=after(now, wait))


# What operators do.


def rerun(record: Record, now: datetime, deadline: datetime) -> Record:
    """The next run of a finished request: due now, without memory of how the last one ended."""
    return replace(
        record,
        status=Status.DEFERRED,
        run=record.run + 1,
        deadline=deadline,
        next_try_at=now,
        due_at=now,
        deferrals=0,
        deaths=0,
        polls=0,
        uncertain=False,
        uncertain_since=None,
        first_attempt_at=None,
        attempt_at=None,
        refused_since=None,
        lease_until=None,
        accepted_at=None,
        finished_at=None,
        error_code=None,
        error_message=None,
        http_status=None,
        last_status=None,
        last_code=None,
        last_message=None,
        operation_status=None,
        location=None,
    )


def extended(record: Record, deadline: datetime) -> Record:
    """The same request with a later deadline."""
    return replace(record, deadline=max(deadline, record.deadline))


def _uncertain(record: Record) -> Record:
    """The attempt's POST may have arrived."""
    since = record.uncertain_since or record.attempt_at

    return replace(record, uncertain=True, uncertain_since=since)


def _answered(record: Record, reason: Reason | None) -> Record:
    """Keeps what an answer said; without one, what the last one said stays."""
    if reason is None or (reason.http_status is None and reason.error is None):
        return record

    return replace(
        record,
        last_status=reason.http_status,
        last_code=_short(reason.error.code, CODE_LIMIT) if reason.error else None,
        last_message=_short(reason.error.message, _REASON_LIMIT) if reason.error else None,
    )


def _last_answer(record: Record) -> str:
    parts = (record.last_status and f"HTTP {record.last_status}", record.last_code)
    head = " ".join(part for part in parts if part)

    return ": ".join(part for part in (head, record.last_message) if part)


def _short(text: str | None, limit: int) -> str | None:
    return cut(clean(text), limit) if text else None
