"""Decides what an answer of the API means for a submission. Pure: the claim carries it out."""

from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus

from offer_cancellation.ledger.record import Record
from offer_cancellation.portal import operation
from offer_cancellation.portal.answer import (
    Answer,
    Cause,
    NoAnswer,
    Reply,
    Unreadable,
    error_of,
    is_error,
    retry_after,
)
from offer_cancellation.portal.location import Untrusted, in_body, in_headers, resolve
from offer_cancellation.portal.look import Found, Look
from offer_cancellation.status import Ending, Error, ErrorCode, Status

_MAY_HAVE_LOCATION = (200, 201, 202, 204)
_MAY_DESCRIBE = (200, 201, 202)
_MAY_BE_DONE = (200, 201, 204)
_AMBIGUOUS_AFTER_UNCERTAIN = (400, 404, 409)  # perhaps because the first POST is at work


@dataclass(frozen=True, slots=True)
class Accept:
    """The API works on it. No location: the offer's list is polled. `retry_after` in seconds."""

    http_status: int
    location: str | None
    retry_after: float | None
    operation_status: str | None = None


@dataclass(frozen=True, slots=True)
class Defer:
    """Not now.

    `http_status`: of the POST. `retry_after`: seconds that the API asked for. `paused_until`: when
    a pause ends. `uncertain`: the POST may have arrived. `answered` and `error`: the HTTP status
    of the last answer, and what it said, or why there was none. `refused_since`: since when a POST
    after an uncertain attempt had no other answer than a refusal.
    """

    cause: str
    http_status: int | None = None
    retry_after: float | None = None
    paused_until: datetime | None = None
    uncertain: bool = False
    error: Error | None = None
    answered: int | None = None
    refused_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Post:
    """Nothing stands in the way of the POST."""


NO_TIME = Defer(Cause.NO_TIME.value)


def interpret_post(
    reply: Reply, record: Record, now: datetime, grace_seconds: float, api_version: str
) -> Accept | Ending | Defer:
    """The answer of the cancel POST; `record` as it was before."""
    if isinstance(reply, NoAnswer):
        return replace(_unanswered(reply), uncertain=reply.sent, refused_since=record.refused_since)
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


def interpret_guard(reply: Reply, now: datetime) -> Post | Ending | Defer:
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


def _interpret_guarded(reply: Answer, now: datetime) -> Post | Ending | Defer:
    found = operation.operation_of(reply.json)
    if found is None or found.status not in operation.KNOWN:
        return _not_understood(reply, now)
    if found.is_active:
        return Post()
    if found.status in operation.CANCELED:
        return Ending(Status.CANCELED, None, reply.status, found.raw_status)

    return _not_running(f"the operation is {found.raw_status!r}", reply, found.raw_status)


def interpret_look(look: Look, now: datetime) -> Post | Ending | Defer:
    """The look before a POST that follows an uncertain attempt."""
    reply, finding = look.reply, look.finding
    if isinstance(reply, NoAnswer):
        return _unanswered(reply)

    if finding is None:
        if reply.is_success:
            return _not_understood(reply, now)
        is_refused = reply.is_definitive and not reply.is_redirect
        return Post() if is_refused else _later(reply, now)

    if finding.found is Found.ACTIVE:
        return Post()
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
