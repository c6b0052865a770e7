"""One due row: what its record asks for is done, and the row with it.

Nothing here raises for a broken row or a lost race; storage faults do.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime

from azure.core.exceptions import AzureError

from offer_cancellation import log, telemetry
from offer_cancellation.clients import Clients
from offer_cancellation.clock import after
from offer_cancellation.errors import LostUpdateError, UnreadableRecordError
from offer_cancellation.ledger import record as steps
from offer_cancellation.ledger.record import Record
from offer_cancellation.ledger.table import DueRow, due_row
from offer_cancellation.portal.answer import Answer, Cause, NoAnswer, Reply
from offer_cancellation.portal.location import Trusted, Untrusted, resolve
from offer_cancellation.portal.look import Look, look
from offer_cancellation.settle import report, settle
from offer_cancellation.status import Ending, Status
from poll_timer.decisions import Pending, interpret_poll
from poll_timer.message import message_of

logger = logging.getLogger(__name__)

Poll = Callable[[Callable[[float], Awaitable[Reply | Look]]], Awaitable[Reply | Look | None]]
"""Runs a call, which is told by when to begin, in a slot; None when no more polls begin."""


async def work_on(row: DueRow, clients: Clients, poll: Poll) -> str:
    """Does what is due; says in a word what that was. Raises AzureError when storage fails."""
    try:
        record = await clients.ledger.read(row)
    except UnreadableRecordError as fault:
        if clients.once.first(str(fault)):
            log.event(logger, "ledger.unreadable_record", logging.ERROR, detail=str(fault))
        return "unreadable"
    if record is None:
        log.event(logger, "ledger.orphan_due_row", logging.ERROR, row=row.row_key)
        await clients.ledger.remove_due_row(row)
        return "orphan"
    try:
        return await _act(record, row, clients, poll)
    except AzureError:
        raise
    except LostUpdateError as fault:  # another process did it
        _log("poll.lost_update", record, detail=str(fault))
        return "lost"
    except Exception:
        now = clients.clock()
        if not record.is_past_deadline(now):
            raise
        # A bug must not keep a request for ever: what is left of it is its end.
        await _settle(record, steps.expired(record, now), clients)
        raise


async def _act(record: Record, row: DueRow, clients: Clients, poll: Poll) -> str:
    if record.status.is_final:
        await report(clients.ledger, clients.outcomes, replace(record, due_at=None))
        await clients.ledger.remove_due_row(row)
        return "reported"
    now = clients.clock()
    if due_row(record) != row:
        await clients.ledger.repair(replace(record, due_at=record.due_at or now), row)
        return "repaired"
    if record.status is Status.ACCEPTED:
        with telemetry.poll(record):
            return await _poll(record, clients, poll)
    if record.status is Status.SUBMITTING and not record.is_lease_over(now):
        return "waiting"
    if record.is_past_deadline(now):
        if record.status is Status.SUBMITTING:  # its claimer died: the attempt is uncertain
            dead = steps.taken_over(record, now, clients.settings.lease_seconds)
            record = replace(dead, due_at=record.due_at)
        await _settle(record, steps.expired(record, now), clients)
        return "expired"
    return await _put_back(record, now, clients)


async def _put_back(record: Record, now: datetime, clients: Clients) -> str:
    moved = steps.put_back(record, now, clients.settings.lease_seconds)
    await clients.ledger.save(record, moved)
    await clients.requests.send(message_of(record))
    _log("poll.put_back", moved)
    return "put-back"


async def _poll(record: Record, clients: Clients, poll: Poll) -> str:
    place = _place(record, clients)
    if isinstance(place, Untrusted):
        await _settle(record, steps.finished(record, clients.clock(), place.ending()), clients)
        return "failed"
    reply = await poll(lambda start_by: _read(record, place, clients, start_by))
    if reply is None:
        return "waiting"
    last = reply.reply if isinstance(reply, Look) else reply
    if not (isinstance(last, NoAnswer) and last.cause is Cause.THROTTLED):
        telemetry.polled(str(last.status) if isinstance(last, Answer) else last.cause.value)
    now, settings = clients.clock(), clients.settings
    decision = interpret_poll(reply, record, now, settings.poll_grace, settings.api_version)
    if isinstance(decision, Ending):
        counted = replace(record, polls=record.polls + 1)
        await _settle(record, steps.finished(counted, now, decision), clients)
        return decision.status.value
    if not decision.polls and _may_wait_for_its_last_poll(record, clients, now):
        return "waiting"
    next_poll = _next_poll(decision, record, clients, now)
    after_it = steps.pending(record, next_poll, decision.polls, decision.observation)
    if record.is_past_deadline(now):
        final = replace(steps.expired(after_it, now), due_at=record.due_at)
        await _settle(record, final, clients)
        return "expired"
    await clients.ledger.save(record, after_it)
    _log_change(record, after_it, decision)
    return "pending"


def _place(record: Record, clients: Clients) -> Trusted | Untrusted | None:
    """The record's location, judged again: a row can be edited by hand."""
    if record.location is None:
        return None
    return resolve(record.location, clients.portal.url("/api/"), clients.settings.api_version)


async def _read(
    record: Record, place: Trusted | None, clients: Clients, start_by: float
) -> Reply | Look:
    if place is None:
        return await look(clients.portal, record, start_by=start_by)
    return await clients.portal.read(place.target, start_by)


def _may_wait_for_its_last_poll(record: Record, clients: Clients, now: datetime) -> bool:
    """Past its deadline a request waits for one poll that can be sent, but not for long."""
    longest = after(record.deadline, clients.settings.lease_seconds)
    return record.is_past_deadline(now) and now < longest


def _next_poll(decision: Pending, record: Record, clients: Clients, now: datetime) -> datetime:
    if decision.paused_until:
        return clients.backoff.spread(decision.paused_until, record.polls)
    return clients.backoff.until(now, record.polls + 1, decision.retry_after)


async def _settle(before: Record, final: Record, clients: Clients) -> None:
    await settle(clients.ledger, clients.outcomes, before, final)


def _log_change(before: Record, after: Record, decision: Pending) -> None:
    """An operation's status is logged when it changes, not at each poll."""
    if after.operation_status != before.operation_status:
        _log("poll.status", after, operationStatus=after.operation_status)
    if after.location != before.location:
        _log("poll.moved", after)
    if decision.untrusted:
        _log("poll.untrusted_location", after, reason=decision.untrusted.reason)


def _log(name: str, record: Record, **fields: object) -> None:
    log.event(
        logger, name, requestId=record.request_id, offerId=record.offer_id,
        correlationId=record.correlation_id, traceparent=record.traceparent,
        status=record.status.value, polls=record.polls,
        **fields,
    )  # fmt: skip
