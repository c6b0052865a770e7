"""What a poll's answer means. Pure: `due` carries it out."""

from dataclasses import dataclass
from datetime import datetime

from offer_cancellation.ledger.record import Record, Seen
from offer_cancellation.portal import operation
from offer_cancellation.portal.answer import Answer, Cause, Reply, error_of, retry_after
from offer_cancellation.portal.location import Trusted, Untrusted, resolve
from offer_cancellation.status import Ending, Error, Status

REFUSALS = (400, 403, 404, 410)  # final only once they were the only answer for a while


@dataclass(frozen=True, slots=True)
class Pending:
    """Not done. `polls` counts the GET (0: none was sent); `asked`: seconds of a Retry-After.

    `until`: when a pause ends; `untrusted`: a new location that is ignored.
    """

    seen: Seen
    polls: int = 1
    asked: float | None = None
    until: datetime | None = None
    untrusted: Untrusted | None = None


def after_poll(
    reply: Reply, record: Record, now: datetime, grace_seconds: float, api_version: str
) -> Pending | Ending:
    """The answer to a poll of the record's location, or of the offer's list without one."""
    if not isinstance(reply, Answer):
        was_sent = reply.cause not in (Cause.THROTTLED, Cause.TOKEN)
        return Pending(Seen(refused_since=record.refused_since), int(was_sent), until=reply.until)
    asked = retry_after(reply.headers, now)
    if reply.status in REFUSALS:
        since = record.refused_since or now
        if (now - since).total_seconds() >= grace_seconds:
            return Ending(Status.FAILED, error_of(reply), reply.status)
        return Pending(Seen(refused_since=since), asked=asked)
    if reply.is_good:
        status, ending = _listed(reply) if record.location is None else _described(reply)
        return ending or _moved(reply, status, asked, api_version)
    if reply.is_definitive:  # a redirect, or an error that says nothing about the operation
        return _moved(reply, None, asked, api_version)
    return Pending(Seen(), asked=asked)


def _described(answer: Answer) -> tuple[str | None, Ending | None]:
    found = operation.operation_of(answer.json)
    if found is None:
        return None, None
    if found.status in operation.DONE:
        return None, Ending(Status.CANCELED, operation_status=found.raw_status)
    if found.status == operation.FAILED:
        error = Error("OperationFailed", found.fault or "the operation failed and does not say why")
        return None, Ending(Status.FAILED, error, operation_status=found.raw_status)
    return found.raw_status, None


def _listed(answer: Answer) -> tuple[str | None, Ending | None]:
    """Nothing runs for the offer, or its latest operation is cancelled: done."""
    items = operation.listed(answer.json)
    if items is None:
        return None, None
    latest = items[0] if items else None
    status = latest.raw_status if latest else None
    is_running = any(item.status == operation.RUNNING for item in items)
    if not is_running or (latest and latest.status in operation.CANCELED):
        return None, Ending(Status.CANCELED, operation_status=status)
    return status, None


def _moved(answer: Answer, status: str | None, asked: float | None, api_version: str) -> Pending:
    """Pending; a trusted `Location` is polled from now on."""
    given = answer.headers.get("location", "").strip()
    place = resolve(given, answer.url, api_version) if given else None
    location = place.target if isinstance(place, Trusted) else None
    untrusted = place if isinstance(place, Untrusted) else None
    return Pending(Seen(status, location), asked=asked, untrusted=untrusted)
