"""Reads the answers of the Cloud Partner Portal API: what each means for a request. Pure."""

from dataclasses import replace
from datetime import datetime
from http import HTTPStatus

from offer_cancellation.ledger.record import Record
from offer_cancellation.portal import operation
from offer_cancellation.portal.answer import (
    Answer,
    NoAnswer,
    Reply,
    Unreadable,
    error_of,
    is_error,
    retry_after,
)
from offer_cancellation.portal.decision import (
    Accept,
    Defer,
    Pending,
    PollObservation,
    Proceed,
    refused_poll,
    unanswered_poll,
)
from offer_cancellation.portal.location import (
    Trusted,
    Untrusted,
    in_body,
    in_header,
    in_headers,
    last_segment,
    resolve,
)
from offer_cancellation.portal.look import Found, Look
from offer_cancellation.portal.operation import Operation
from offer_cancellation.status import Ending, Error, ErrorCode, Status

_MAY_HAVE_LOCATION = (200, 201, 202, 204)
_MAY_DESCRIBE = (200, 201, 202)
_MAY_BE_DONE = (200, 201, 204)
_AMBIGUOUS_AFTER_UNCERTAIN = (400, 404, 409)  # perhaps because the first POST is at work


def interpret_post(
    reply: Reply, record: Record, now: datetime, grace_seconds: float, api_version: str
) -> Accept | Ending | Defer:
    """The answer of the cancel POST; `record` as it was before."""
    if isinstance(reply, NoAnswer):
        return replace(
            _unanswered(reply),
            was_sent=reply.sent,
            uncertain=reply.sent,
            refused_since=record.refused_since,
        )
    if reply.is_success:
        return _interpret_success(reply, now, api_version)

    if reply.status in _AMBIGUOUS_AFTER_UNCERTAIN and record.uncertain:
        since = record.refused_since or now
        if (now - since).total_seconds() < grace_seconds:
            return replace(_later(reply, now), http_status=reply.status, refused_since=since)

    if reply.is_definitive:
        return Ending(Status.REJECTED, error_of(reply), reply.status)

    may_have_arrived = reply.status not in (
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.TOO_MANY_REQUESTS,
    )
    return replace(_later(reply, now), http_status=reply.status, uncertain=may_have_arrived)


def _interpret_success(answer: Answer, now: datetime, api_version: str) -> Accept | Ending | Defer:
    """A 2xx is done only when it says so; the first row that fits decides."""
    body, status = answer.json, answer.status
    found = operation.operation_of(body)
    raw_status = found.raw_status if found else None
    accept = Accept(status, None, retry_after(answer.headers, now), raw_status)
    given = in_headers(answer.headers) or in_body(body)

    if given and status in _MAY_HAVE_LOCATION:
        return _located(answer, given, accept, api_version)
    if status in _MAY_DESCRIBE and found:
        ending = operation.ending_of(found)
        return replace(ending, http_status=status) if ending else accept
    if status in _MAY_DESCRIBE and is_error(body):
        return Ending(Status.REJECTED, error_of(answer), status)
    if status == HTTPStatus.ACCEPTED:
        return accept
    if status in _MAY_BE_DONE and (answer.is_empty or body is not Unreadable.BODY):
        return Ending(Status.CANCELED, http_status=status)

    return replace(_not_understood(answer, now), http_status=status, uncertain=True)


def _located(answer: Answer, given: str, accept: Accept, api_version: str) -> Accept | Ending:
    location = resolve(given, answer.url, api_version)
    if isinstance(location, Untrusted):
        return location.ending(answer.status)

    return replace(accept, location=location.target)


def interpret_guard(reply: Reply, now: datetime) -> Proceed | Ending | Defer:
    """The guard: only an operation that runs, or has not started, is cancelled."""
    if isinstance(reply, NoAnswer):
        return _unanswered(reply)
    if reply.status == HTTPStatus.NOT_FOUND:
        return _not_running("the operation does not exist", reply)
    if not reply.is_success:
        is_refused = reply.is_definitive and not reply.is_redirect
        rejected = Ending(Status.REJECTED, error_of(reply), reply.status)
        return rejected if is_refused else _later(reply, now)

    return _interpret_guarded(reply, now)


def _interpret_guarded(reply: Answer, now: datetime) -> Proceed | Ending | Defer:
    found = operation.operation_of(reply.json)
    if found is None or found.status not in operation.KNOWN:
        return _not_understood(reply, now)
    if found.is_active:
        return Proceed()
    if found.status in operation.CANCELED:
        return Ending(Status.CANCELED, None, reply.status, found.raw_status)

    return _not_running(f"the operation is {found.raw_status!r}", reply, found.raw_status)


def interpret_look(look: Look, now: datetime) -> Proceed | Ending | Defer:
    """The look before a POST that follows an uncertain attempt."""
    reply, finding = look.reply, look.finding
    if isinstance(reply, NoAnswer):
        return _unanswered(reply)

    if finding is None:
        if reply.is_success:
            return _not_understood(reply, now)
        is_refused = reply.is_definitive and not reply.is_redirect
        return Proceed() if is_refused else _later(reply, now)

    if finding.found is Found.ACTIVE:
        return Proceed()
    if finding.found is Found.CANCELED:
        return Ending(Status.CANCELED, None, reply.status, finding.raw_status)

    return _not_running(finding.text, reply, finding.raw_status)


def _not_running(text: str, answer: Answer, operation_status: str | None = None) -> Ending:
    error = Error(ErrorCode.OPERATION_NOT_RUNNING, text)
    return Ending(Status.REJECTED, error, answer.status, operation_status)


def _unanswered(reply: NoAnswer) -> Defer:
    return Defer(reply.cause.value, paused_until=reply.paused_until, error=reply.error)


def _not_understood(answer: Answer, now: datetime) -> Defer:
    return replace(_later(answer, now), cause="not-understood")


def _later(answer: Answer, now: datetime) -> Defer:
    return Defer(
        f"http-{answer.status}",
        retry_after=retry_after(answer.headers, now),
        error=error_of(answer),
        answered=answer.status,
    )


def interpret_poll(
    reply: Reply | Look, record: Record, now: datetime, grace_seconds: float, api_version: str
) -> Pending | Ending:
    """The answer to a poll of the record's location, or the look at the offer without one."""
    look = reply if isinstance(reply, Look) else None
    answer = reply.reply if isinstance(reply, Look) else reply
    if isinstance(answer, NoAnswer):
        return unanswered_poll(answer, record)

    pending = Pending(
        PollObservation(), retry_after=retry_after(answer.headers, now), answered=answer.status
    )
    if refused := refused_poll(answer, pending, record, now, grace_seconds):
        return refused
    if answer.is_outage:
        return replace(pending, error=error_of(answer))

    found = _looked(look) if look else _described(answer, record)
    return found if isinstance(found, Ending) else _moved(pending, answer, found, api_version)


def _described(answer: Answer, record: Record) -> Ending | str | None:
    """What an operation says: an end, its raw status, or nothing that can be understood."""
    found = operation.operation_of(answer.json) if answer.is_success else None
    if found is None:
        return None
    if _is_guarded(found, record):
        return _failed_not_running(f"the operation is {found.raw_status!r}", found.raw_status)

    return operation.ending_of(found) or found.raw_status


def _is_guarded(found: Operation, record: Record) -> bool:
    """Whether it is the very operation that was to be cancelled, and ended by itself."""
    if not record.operation_id or not record.location:
        return False

    is_same = last_segment(record.location).lower() == record.operation_id.lower()
    return is_same and found.status in operation.DONE - operation.CANCELED


def _looked(look: Look) -> Ending | str | None:
    finding = look.finding
    if finding is None:
        return None
    if finding.found is Found.ACTIVE:
        return finding.raw_status
    if finding.found is Found.CANCELED:
        return Ending(Status.CANCELED, operation_status=finding.raw_status)

    return _failed_not_running(finding.text, finding.raw_status)


def _failed_not_running(text: str, raw_status: str | None) -> Ending:
    error = Error(ErrorCode.OPERATION_NOT_RUNNING, text)
    return Ending(Status.FAILED, error, operation_status=raw_status)


def _moved(pending: Pending, answer: Answer, status: str | None, api_version: str) -> Pending:
    """Pending; a trusted `Location` is polled from now on."""
    given = in_header(answer.headers, "location")
    place = resolve(given, answer.url, api_version) if given else None
    location = place.target if isinstance(place, Trusted) else None
    return replace(
        pending,
        observation=PollObservation(status, location),
        untrusted=place if isinstance(place, Untrusted) else None,
        error=None if status else error_of(answer),
        not_understood=status is None,
    )
