"""One message's way: parse it, claim its request, submit it, write down what came of it.

Only storage faults, and bugs before the fifth delivery, leave this module as exceptions: then the
host delivers the message again. Everything else ends with the message handled.
"""

import logging
from dataclasses import replace
from datetime import datetime

from azure.core.exceptions import AzureError

from cancel_trigger import rejection
from cancel_trigger.claim import Claim
from cancel_trigger.decisions import Accept, Defer
from cancel_trigger.meeting import Meeting, meet
from cancel_trigger.message import Message
from offer_cancellation import log, telemetry
from offer_cancellation.clients import Clients
from offer_cancellation.clock import after
from offer_cancellation.errors import (
    InvocationError,
    LostUpdateError,
    UnreadableRecordError,
)
from offer_cancellation.ledger import record as steps
from offer_cancellation.ledger.record import Record
from offer_cancellation.request import CancelRequest, InvalidRequest, parse
from offer_cancellation.reuse import reused
from offer_cancellation.settle import report, settle
from offer_cancellation.status import Ending, Error, Status

logger = logging.getLogger(__name__)

LAST_DELIVERY = 5  # a bug that comes back this often ends the request


async def handle(message: Message, clients: Clients) -> None:
    """Handles one delivery.

    Raises AzureError when storage fails, InvocationError on a bug before the fifth delivery.
    """
    work = _Work(message, clients)
    try:
        await work.run()
    except AzureError as fault:
        log.event(logger, "cancel.storage_failed", logging.ERROR, **work.ids,
                  deliveries=message.deliveries, **log.fault_fields(fault))  # fmt: skip
        raise
    except UnreadableRecordError as fault:  # left to whoever can read it
        log.event(logger, "ledger.unreadable_record", logging.ERROR, **work.ids,
                  detail=str(fault))  # fmt: skip
    except LostUpdateError as fault:  # whoever wrote first has the request now
        log.event(logger, "cancel.lost_update", logging.WARNING, **work.ids,
                  detail=str(fault))  # fmt: skip
    except Exception as bug:  # noqa: BLE001 - whatever it is, the request must not get lost
        log.event(logger, "cancel.bug", logging.ERROR, **work.ids,
                  deliveries=message.deliveries, **log.fault_fields(bug))  # fmt: skip
        try:
            await work.give_up(bug)
        except LostUpdateError:  # the bug came after its write, or somebody else was faster
            raise InvocationError(f"{type(bug).__name__}, and the record has moved on") from None


class _Work:
    """The handling of one delivery."""

    def __init__(self, message: Message, clients: Clients) -> None:
        self._message = message
        self._clients = clients
        self._request: CancelRequest | None = None
        self._claim: Claim | None = None
        self._met: Record | None = None

    @property
    def ids(self) -> dict[str, str | None]:
        """What names this work in a log record, as far as it is known."""
        known: dict[str, str | None] = {"messageId": self._message.id}
        if request := self._request:
            known["requestId"], known["offerId"] = request.request_id, request.offer_id
            known["correlationId"] = request.correlation_id or None
        return known

    async def run(self) -> None:
        request = parse(self._message.text, self._message.id)
        if isinstance(request, InvalidRequest):
            await rejection.reject(self._message, request, request.error, self._clients)
            return
        self._request = request
        with telemetry.submission(
            request.request_id, request.offer_id, request.correlation_id, request.traceparent
        ):
            await self._claim_it(request)

    async def _claim_it(self, request: CancelRequest) -> None:
        now = self._clients.clock()
        first = new_record(request, self._message, self._clients)
        if first.is_past_deadline(now):
            first = replace(steps.expired(first, now), due_at=None)
        record, is_new = await self._clients.ledger.claim(first)
        if is_new and not record.status.is_final:
            self._claim = Claim.of(record)
        elif not is_new:
            self._met = record
        if not is_new:
            await self._meet(record, request)
        elif record.status.is_final:
            telemetry.ended(record.status.value, record.error_code)
            await report(self._clients.ledger, self._clients.outcomes, record)
        else:
            self._log("cancel.claimed", record)
            await self._submit(record)

    async def _meet(self, record: Record, request: CancelRequest) -> None:
        now = self._clients.clock()
        if fault := reused(record, request):
            await rejection.reject(self._message, request, fault, self._clients)
            return
        match meet(record, now):
            case Meeting.REPORT_AGAIN:
                await report(self._clients.ledger, self._clients.outcomes, record)
            case Meeting.LEAVE:
                self._log("cancel.left", record)
            case Meeting.TAKE_OVER if record.is_past_deadline(now):
                final = steps.expired(_taken(record, self._clients), now)
                await self._settle(record, final)
            case Meeting.TAKE_OVER:
                taken = _taken(record, self._clients)
                record = await self._clients.ledger.save(record, taken)
                self._log("cancel.taken_over", record)
                await self._submit(record)

    async def _submit(self, record: Record) -> None:
        self._claim = claim = Claim.of(record)
        decision = await claim.attempt(self._clients)
        now = self._clients.clock()
        record = claim.current
        match decision:
            case Accept(http_status, location, retry_after):
                next_poll = self._clients.backoff.until(now, 0, retry_after)
                accepted = steps.accepted(record, now, next_poll, http_status, location)
                await self._clients.ledger.save(claim.stored, accepted)
                self._log("cancel.accepted", accepted)
            case Ending():
                await self._settle(claim.stored, steps.finished(record, now, decision))
            case Defer(cause, http_status, retry_after, until, uncertain):
                backoff = self._clients.backoff
                until = (
                    backoff.spread(until, record.deferrals)
                    if until
                    else backoff.until(now, record.deferrals, retry_after)
                )
                later = steps.deferred(record, until, http_status, uncertain=uncertain)
                later = replace(later, refused_since=decision.refused_since)
                await self._clients.ledger.save(claim.stored, later)
                telemetry.put_off(cause)
                self._log("cancel.deferred", later, cause=cause)

    async def _settle(self, before: Record, final: Record) -> None:
        """The message is the outbox here: the due row goes with the final record."""
        final = replace(final, due_at=None)
        await settle(self._clients.ledger, self._clients.outcomes, before, final)

    async def give_up(self, bug: Exception) -> None:
        """After a bug: the claim is released, and on the fifth delivery the request ends.

        A record that is somebody else's, or final, is never ended here: then the message goes on
        coming back, and the ledger or the timer does what is left to do.
        """
        now = self._clients.clock()
        error = Error("InternalError", f"an unexpected {type(bug).__name__}; see the logs")
        is_last = self._message.deliveries >= LAST_DELIVERY
        if is_last and not self._claim and self._met and meet(self._met, now) is Meeting.TAKE_OVER:
            self._claim = Claim(self._met, _taken(self._met, self._clients))
        if is_last and self._claim:
            final = steps.finished(self._claim.current, now, Ending(Status.FAILED, error))
            final = replace(final, uncertain=final.uncertain or self._claim.has_posted)
            await self._settle(self._claim.stored, final)
        elif is_last and self._met is None:
            what = self._request or InvalidRequest(faults=(), request_id=f"msg-{self._message.id}")
            await rejection.reject(self._message, what, error, self._clients, Status.FAILED)
        else:
            if self._claim:
                await self._release(self._claim, now)
            text = f"{type(bug).__name__} on delivery {self._message.deliveries}"
            raise InvocationError(text) from None  # the bug's own text may quote the message

    async def _release(self, claim: Claim, now: datetime) -> None:
        due_at = after(now, self._clients.settings.lease_seconds)
        given_up = steps.released(claim.current, now, due_at, uncertain=claim.has_posted)
        await self._clients.ledger.save(claim.stored, given_up)

    def _log(self, name: str, record: Record, **fields: object) -> None:
        log.event(
            logger, name, requestId=record.request_id, offerId=record.offer_id,
            correlationId=record.correlation_id, traceparent=record.traceparent,
            status=record.status.value, attempts=record.attempts,
            httpStatus=record.http_status, **fields,
        )  # fmt: skip


def new_record(request: CancelRequest, message: Message, clients: Clients) -> Record:
    """The claim of a request that nobody has seen before."""
    now, settings = clients.clock(), clients.settings
    deadline = after(message.inserted_at, settings.deadline_hours * 3600)
    if request.expires_at:
        deadline = min(deadline, request.expires_at)
    lease_until = after(now, settings.lease_seconds)
    return Record(
        request_id=request.request_id,
        publisher_id=request.publisher_id,
        offer_id=request.offer_id,
        notification_emails=",".join(request.notification_emails) or None,
        operation_id=request.operation_id or None,
        correlation_id=request.correlation_id or None,
        traceparent=request.traceparent or telemetry.traceparent(),
        status=Status.SUBMITTING,
        requested_at=message.inserted_at,
        deadline=deadline,
        first_attempt_at=now,
        lease_until=lease_until,
        due_at=lease_until,
    )


def _taken(record: Record, clients: Clients) -> Record:
    return steps.taken_over(record, clients.clock(), clients.settings.lease_seconds)
