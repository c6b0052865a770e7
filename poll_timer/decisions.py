"""Decides what a poll's answer means. Pure: the tick carries it out."""

from dataclasses import dataclass, replace
from datetime import datetime

from offer_cancellation.ledger.record import Record
from offer_cancellation.portal import operation
from offer_cancellation.portal.answer import Answer, Cause, NoAnswer, Reply, error_of, retry_after
from offer_cancellation.portal.location import (
    Trusted,
    Untrusted,
    in_header,
    last_segment,
    resolve,
)
from offer_cancellation.portal.look import Found, Look
from offer_cancellation.portal.operation import Operation
from offer_cancellation.status import Ending, Error, ErrorCode, Status

REFUSALS = (400, 403, 404, 410)  # final only once they were the only answer for a while
_NOTHING_SENT = (Cause.THROTTLED, Cause.TOKEN, Cause.NO_TIME)


@dataclass(frozen=True, slots=True)
class PollObservation:
    """What a poll saw that did not end the request. `location` is polled from now on."""

    operation_status: str | None = None
    location: str | None = None
    refused_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """Not done. `polls` counts the poll (0: nothing was sent).

    `retry_after`: seconds that the API asked for. `paused_until`: when a pause ends. `untrusted`:
    a new location that is ignored. `answered` and `error`: the HTTP status of the answer, and what
    it said, or why there was none. `not_understood`: it says nothing about the operation.
    """

    observation: PollObservation
    polls: int = 1
    retry_after: float | None = None
    paused_until: datetime | None = None
    untrusted: Untrusted | None = None
    error: Error | None = None
    answered: int | None = None
    not_understood: bool = False


def interpret_poll(
    reply: Reply | Look, record: Record, now: datetime, grace_seconds: float, api_version: str
) -> Pending | Ending:
    """The answer to a poll of the record's location, or the look at the offer without one."""
    look = reply if isinstance(reply, Look) else None
    answer = reply.reply if isinstance(reply, Look) else reply
    if isinstance(answer, NoAnswer):
        return Pending(
            PollObservation(refused_since=record.refused_since),
            polls=0 if answer.cause in _NOTHING_SENT else 1,
            paused_until=answer.paused_until,
            error=answer.error,
        )

    pending = Pending(
        PollObservation(), retry_after=retry_after(answer.headers, now), answered=answer.status
    )
    if answer.status in REFUSALS:
        since = record.refused_since or now
        if (now - since).total_seconds() >= grace_seconds:
            return Ending(Status.FAILED, error_of(answer), answer.status)

        observation = PollObservation(refused_since=since)
        return replace(pending, observation=observation, error=error_of(answer))

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
        return _not_running(f"the operation is {found.raw_status!r}", found.raw_status)

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

    return _not_running(finding.text, finding.raw_status)


def _not_running(text: str, raw_status: str | None) -> Ending:
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
