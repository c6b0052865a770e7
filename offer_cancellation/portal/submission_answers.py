"""Reads the answers of the submission API: what each means for a request. Pure.

A 204 of the DELETE is not believed: only a read says that a submission is cancelled.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus

from offer_cancellation.ledger.record import Record
from offer_cancellation.portal.answer import Answer, NoAnswer, Reply, error_of, retry_after
from offer_cancellation.portal.decision import (
    Accept,
    Defer,
    Done,
    Pending,
    PollObservation,
    Proceed,
    refused_poll,
    unanswered_poll,
)
from offer_cancellation.portal.submission import Submission, submission_of
from offer_cancellation.status import Ending, Error, ErrorCode, Status

LOOK_AGAIN = (400, 403, 404, 405, 409)  # of a DELETE: a read decides what they mean


@dataclass(frozen=True, slots=True)
class Reading:
    """The answer to a read of a submission; after a 404 the answer to a read of its product."""

    reply: Reply
    product: Reply | None = None

    @property
    def last(self) -> Reply:
        """The last answer."""
        return self.product or self.reply

    @property
    def submission(self) -> Submission | None:
        """What it describes, if that can be understood."""
        if isinstance(self.reply, Answer) and self.reply.is_success:
            return submission_of(self.reply.json)

        return None

    @property
    def is_gone(self) -> bool:
        """Whether there is no such submission, while there is the product."""
        return isinstance(self.product, Answer) and self.product.is_success


def interpret_look(
    reading: Reading, record: Record, now: datetime, grace_seconds: float
) -> Proceed | Ending | Defer:
    """The look before a DELETE: only what is submitted is deleted."""
    decision = _interpret_read(reading, record, now, grace_seconds)
    if isinstance(decision, Defer) and _refused_before(record):
        # What the record says of the refusal stays: a later look ends the request with it.
        return replace(decision, answered=None, error=None)

    return decision


def _interpret_read(
    reading: Reading, record: Record, now: datetime, grace_seconds: float
) -> Proceed | Ending | Defer:
    last, found = reading.last, reading.submission
    if isinstance(last, NoAnswer):
        return _unanswered(last)

    if found is None:
        return _interpret_unread(reading, last, record, now, grace_seconds)
    if found.is_submitted:
        return _refused_before(record) or Proceed(record.submitted_seen_at or now)
    if found.is_canceled or (found.is_draft and record.submitted_seen_at):
        return _canceled(last, found.raw_status)

    return _not_running(f"the submission is {found.raw_status!r}", last, found.raw_status)


def _refused_before(record: Record) -> Ending | None:
    """The end by a DELETE that was refused when there was no time left to look again."""
    if record.refused_since is None or record.uncertain or record.last_status not in LOOK_AGAIN:
        return None

    code = record.last_code or f"Http{record.last_status}"
    error = Error(code, record.last_message or f"HTTP {record.last_status}")

    return Ending(Status.REJECTED, error, record.last_status)


def _interpret_unread(
    reading: Reading, last: Answer, record: Record, now: datetime, grace_seconds: float
) -> Ending | Defer:
    """A look that read no submission: it is gone, it cannot be read, or the API is away."""
    if last.is_outage or last.is_redirect:
        return _later(last, now)
    if reading.is_gone and record.submitted_seen_at:
        return _canceled(last, "404")
    if reading.product is not None:
        return _not_running("the submission does not exist", last, None)
    if last.is_success:
        return replace(_later(last, now), cause="not-understood")

    refusal = Ending(Status.REJECTED, error_of(last), last.status)

    return _after_grace(refusal, last, record, now, grace_seconds)


def interpret_delete(reply: Reply, record: Record, now: datetime) -> Accept | Ending | Defer:
    """The answer of the DELETE, other than those of LOOK_AGAIN: a look decides what they mean."""
    if isinstance(reply, NoAnswer):
        return replace(
            _unanswered(reply),
            was_sent=reply.sent,
            uncertain=reply.sent,
            refused_since=record.refused_since,
        )
    if reply.is_success:
        return Accept(reply.status, retry_after=retry_after(reply.headers, now))
    if reply.is_definitive:
        return Ending(Status.REJECTED, error_of(reply), reply.status)

    may_have_arrived = reply.status not in (HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS)

    return replace(_later(reply, now), http_status=reply.status, uncertain=may_have_arrived)


def interpret_look_after(
    found: Proceed | Ending | Defer,
    refusal: Answer,
    record: Record,
    now: datetime,
    grace_seconds: float,
) -> Ending | Defer:
    """The look after a refused DELETE: what is still submitted was refused.

    A look that there was no time for, or that got no answer, is the next attempt's.
    """
    if isinstance(found, Ending):
        return found

    refused = replace(_later(refusal, now), http_status=refusal.status)
    if isinstance(found, Defer):
        return replace(
            refused,
            cause=found.cause,
            retry_after=found.retry_after or refused.retry_after,
            paused_until=found.paused_until,
            refused_since=record.refused_since or now,
        )

    rejected = Ending(Status.REJECTED, error_of(refusal), refusal.status)
    decision = _after_grace(rejected, refusal, record, now, grace_seconds)

    return replace(decision, http_status=refusal.status)


def interpret_poll(
    reading: Reading, record: Record, now: datetime, grace_seconds: float
) -> Pending | Done:
    """The read that shows whether an accepted cancellation is done."""
    last, found = reading.last, reading.submission
    if isinstance(last, NoAnswer):
        return unanswered_poll(last, record)

    pending = Pending(
        PollObservation(), retry_after=retry_after(last.headers, now), answered=last.status
    )
    if found:
        return _polled(found, pending)
    if reading.is_gone:
        return Done(_canceled(None, "404"))
    if refused := refused_poll(last, pending, record, now, grace_seconds):
        return Done(refused) if isinstance(refused, Ending) else refused

    return replace(pending, error=error_of(last), not_understood=not last.is_outage)


def _polled(found: Submission, pending: Pending) -> Pending | Done:
    if found.is_canceled or found.is_draft:
        return Done(_canceled(None, found.raw_status))
    if found.is_published:
        text = f"it went live before it could be stopped: the submission is {found.raw_status!r}"
        error = Error(ErrorCode.OPERATION_FAILED, text)
        return Done(Ending(Status.FAILED, error, operation_status=found.raw_status))

    return replace(pending, observation=PollObservation(found.raw_status))


def _canceled(answer: Answer | None, raw_status: str) -> Ending:
    return Ending(
        Status.CANCELED,
        http_status=answer.status if answer else None,
        operation_status=raw_status,
    )


def _not_running(text: str, answer: Answer, raw_status: str | None) -> Ending:
    error = Error(ErrorCode.OPERATION_NOT_RUNNING, text)

    return Ending(Status.REJECTED, error, answer.status, raw_status)


def _after_grace(
    ending: Ending, answer: Answer, record: Record, now: datetime, grace_seconds: float
) -> Ending | Defer:
    """A refusal that follows an uncertain attempt counts only once it was so for a while."""
    if not record.uncertain:
        return ending

    since = record.refused_since or now
    if (now - since).total_seconds() >= grace_seconds:
        return ending

    return replace(_later(answer, now), refused_since=since)


def _unanswered(reply: NoAnswer) -> Defer:
    return Defer(
        reply.cause.value, was_sent=False, paused_until=reply.paused_until, error=reply.error
    )


def _later(answer: Answer, now: datetime) -> Defer:
    return Defer(
        f"http-{answer.status}",
        retry_after=retry_after(answer.headers, now),
        error=error_of(answer),
        answered=answer.status,
    )
