"""One attempt of a claimed request: guard or look where there is one, then the POST.

No call is begun that could outlive the lease. What to make of an answer is `decisions`' business.
"""

from typing import Protocol

from offer_cancellation.clients import Clients

from cancel_trigger.decisions import (
    NO_TIME,
    Accept,
    Date,
    Defer,
    Post,
    after_dating,
    after_guard,
    after_look,
    after_post,
    by_age,
)
from offer_cancellation.clock import after
from offer_cancellation.ledger.record import Record, posting
from offer_cancellation.portal.answer import Answer
from offer_cancellation.status import Ending


class Claimed(Protocol):
    """The record that is held; `current` is moved on when the POST begins."""

    current: Record


async def attempt(claim: Claimed, clients: Clients) -> Accept | Ending | Defer:
    """Submits the request as far as it may be, and says what came of it."""
    before: Post | Ending | Defer = Post()
    if claim.current.operation_id:
        before = await _guard(claim.current, claim.current.operation_id, clients)
    elif claim.current.uncertain:
        before = await _look(claim.current, clients)
    if not isinstance(before, Post):
        return before
    if not _has_time(claim.current, clients):
        return NO_TIME
    record = claim.current
    claim.current = posting(record, clients.clock())
    reply = await clients.portal.cancel(
        record.publisher_id, record.offer_id, record.notification_emails
    )
    if not isinstance(reply, Answer) and not reply.sent:
        claim.current = record  # nothing went out: it was no attempt
    return after_post(reply, clients.clock(), clients.settings.api_version)


async def _guard(record: Record, operation_id: str, clients: Clients) -> Post | Ending | Defer:
    if not _has_time(record, clients):
        return NO_TIME
    reply = await clients.portal.operation(record.publisher_id, record.offer_id, operation_id)
    return after_guard(reply, clients.clock())


async def _look(record: Record, clients: Clients) -> Post | Ending | Defer:
    """An earlier POST may have arrived: does anything still run, and since when?"""
    if not _has_time(record, clients):
        return NO_TIME
    reply = await clients.portal.running(record.publisher_id, record.offer_id)
    seen = after_look(reply, clients.clock())
    if not isinstance(seen, Date):
        return seen
    since, found = record.first_attempt_at or record.requested_at, seen.operation
    if found.created_at is None and found.id:
        if not _has_time(record, clients):
            return NO_TIME
        reply = await clients.portal.operation(record.publisher_id, record.offer_id, found.id)
        return after_dating(reply, found, since, clients.clock())
    assert isinstance(reply, Answer)  # noqa: S101 - a Date comes of an answer
    return by_age(found, since, reply)


def _has_time(record: Record, clients: Clients) -> bool:
    """Whether one more call would end within the lease."""
    call_end = after(clients.clock(), clients.settings.api_timeout)
    return record.lease_until is not None and call_end <= record.lease_until
