"""What an answer of the API means for a submission. Pure: the submission carries it out."""

from dataclasses import dataclass, replace
from datetime import datetime

from offer_cancellation.portal import operation
from offer_cancellation.portal.answer import Answer, Cause, Reply, error_of, retry_after
from offer_cancellation.portal.location import Untrusted, in_body, in_headers, resolve
from offer_cancellation.portal.operation import Operation
from offer_cancellation.status import Ending, Error, Status

_UNCERTAIN = (500, 502, 504)  # the POST may have been acted on all the same
_ACCEPTED, _NOT_FOUND = 202, 404


@dataclass(frozen=True, slots=True)
class Accept:
    """A 202. No location: the offer's list is polled. `asked`: seconds of a Retry-After."""

    http_status: int
    location: str | None
    asked: float | None


@dataclass(frozen=True, slots=True)
class Defer:
    """Not now. `http_status`: the POST's. `until`: when a pause ends. `uncertain`: the POST may
    have arrived.
    """

    cause: str
    http_status: int | None = None
    asked: float | None = None
    until: datetime | None = None
    uncertain: bool = False


@dataclass(frozen=True, slots=True)
class Post:
    """Nothing stands in the way of the POST."""


@dataclass(frozen=True, slots=True)
class Date:
    """Something runs: whether the POST may follow depends on when it began."""

    operation: Operation


NO_TIME = Defer(Cause.NO_TIME.value)


def after_post(reply: Reply, now: datetime, api_version: str) -> Accept | Ending | Defer:
    """The answer of the cancel POST: 200 done, 202 accepted, the rest by its status."""
    if not isinstance(reply, Answer):
        return Defer(reply.cause.value, until=reply.until, uncertain=reply.sent)
    if reply.status == _ACCEPTED:
        return _accepted(reply, now, api_version)
    if reply.is_good:
        return Ending(Status.CANCELED, http_status=reply.status)
    if reply.is_definitive:
        return Ending(Status.REJECTED, error_of(reply), reply.status)
    later = _later(reply, now)
    return replace(later, http_status=reply.status, uncertain=reply.status in _UNCERTAIN)


def _accepted(answer: Answer, now: datetime, api_version: str) -> Accept | Ending:
    given = in_headers(answer.headers) or in_body(answer.json)
    if given is None:
        return Accept(answer.status, None, retry_after(answer.headers, now))
    location = resolve(given, answer.url, api_version)
    if isinstance(location, Untrusted):
        return location.ending(answer.status)
    return Accept(answer.status, location.target, retry_after(answer.headers, now))


def after_guard(reply: Reply, now: datetime) -> Post | Ending | Defer:
    """The guard: only an operation that runs, or has not started, is cancelled."""
    if not isinstance(reply, Answer):
        return Defer(reply.cause.value, until=reply.until)
    if reply.status == _NOT_FOUND:
        return _not_running("the operation does not exist", reply)
    if reply.status >= 400 and reply.is_definitive:  # noqa: PLR2004
        return Ending(Status.REJECTED, error_of(reply), reply.status)
    if not reply.is_good:
        return _later(reply, now)
    found = operation.operation_of(reply.json)
    if found is None or found.status not in operation.KNOWN:
        return _later(reply, now, cause="not-understood")
    if found.status in (operation.RUNNING, operation.NOT_STARTED):
        return Post()
    if found.status in operation.CANCELED:
        return Ending(Status.CANCELED, None, reply.status, found.raw_status)
    return _not_running(f"the operation is {found.raw_status!r}", reply, found.raw_status)


def after_look(reply: Reply, now: datetime) -> Post | Date | Ending | Defer:
    """The look before a repeated POST: does anything still run for the offer?"""
    if not isinstance(reply, Answer):
        return Defer(reply.cause.value, until=reply.until)
    if reply.status >= 400 and reply.is_definitive:  # noqa: PLR2004
        return Post()
    if not reply.is_good:
        return _later(reply, now)
    items = operation.listed(reply.json)
    if items is None:
        return _later(reply, now, cause="not-understood")
    running = [item for item in items if item.status == operation.RUNNING]
    if not running:
        return Ending(Status.CANCELED, http_status=reply.status)
    return Date(running[0])


def after_dating(reply: Reply, found: Operation, since: datetime, now: datetime) -> (
    Post | Ending | Defer
):  # fmt: skip
    """What runs, with its details read: begun after the first attempt, it is another one's."""
    if not isinstance(reply, Answer):
        return Defer(reply.cause.value, until=reply.until)
    if not (reply.is_good or reply.is_definitive):
        return _later(reply, now)
    details = operation.operation_of(reply.json) if reply.is_good else None
    return by_age(details or found, since, reply)


def by_age(found: Operation, since: datetime, answer: Answer) -> Post | Ending:
    """Old, or of unknown age: posted again. Begun after `since`: not this request's to cancel."""
    if found.created_at and found.created_at > since:
        began = found.created_at.isoformat()
        text = f"what runs began at {began}, after this request's first attempt"
        return _not_running(text, answer, found.raw_status)
    return Post()


def _not_running(text: str, answer: Answer, operation_status: str | None = None) -> Ending:
    error = Error("OperationNotRunning", text)
    return Ending(Status.REJECTED, error, answer.status, operation_status)


def _later(answer: Answer, now: datetime, *, cause: str | None = None) -> Defer:
    return Defer(
        cause or f"http-{answer.status}",
        asked=retry_after(answer.headers, now),
    )
