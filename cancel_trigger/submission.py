"""Handles one message: parses it, claims its request, submits it, writes down the result.

A message is only a call: once the claim is written, whatever fails is the ledger's to go on with,
and the message is completed. Before that a fault of storage makes the host deliver it again, and
so does a bug.
"""

import logging
from dataclasses import replace
from datetime import datetime

from cancel_trigger.claim import Claim
from cancel_trigger.decisions import Accept, Defer
from cancel_trigger.message import Message
from offer_cancellation import log, telemetry, transitions
from offer_cancellation.clock import after
from offer_cancellation.errors import (
    InvocationError,
    LostUpdateError,
    StorageError,
    UnreadableRecordError,
)
from offer_cancellation.ledger.record import Record
from offer_cancellation.next_step import NextStep, next_step
from offer_cancellation.outcome import report, write_end
from offer_cancellation.rejection import Rejection, reject
from offer_cancellation.request import (
    CancelRequest,
    InvalidRequest,
    message_of,
    parse,
    request_id_conflict,
)
from offer_cancellation.services import Services
from offer_cancellation.status import Ending, Error, Status

logger = logging.getLogger(__name__)

LAST_DELIVERY = 5  # a bug that comes back this often ends the request


async def handle(message: Message, services: Services) -> None:
    """Handles one delivery.

    Raises StorageError when storage fails before the claim is written, InvocationError on a bug.
    """
    submission = Submission(message, services)
    try:
        await submission.run()
    except StorageError as error:
        submission.log("cancel.storage_failed", logging.ERROR, **log.fault_fields(error))
        if not submission.is_kept_by_the_ledger:
            raise
    except UnreadableRecordError as error:  # left to whoever can read it
        submission.log("ledger.unreadable_record", logging.ERROR, detail=str(error))
    except LostUpdateError as error:  # another writer has the request now
        submission.log("cancel.lost_update", logging.WARNING, detail=str(error))
    except Exception as bug:  # whatever it is, the request must not get lost
        submission.log("cancel.bug", logging.ERROR, **log.fault_fields(bug))
        await submission.give_up(bug)


class Submission:
    """The handling of one delivery."""

    def __init__(self, message: Message, services: Services) -> None:
        self._message = message
        self._services = services
        self._request: CancelRequest | None = None
        self._claim: Claim | None = None  # what this invocation holds, or held
        self._met: Record | None = None  # what was there before it
        self._owes_event = False  # a final record is written, and its due row is there

    async def run(self) -> None:
        """Parses the message, and goes as far with its request as it can."""
        request = parse(self._message.text, self._message.id)
        if isinstance(request, InvalidRequest):
            await self._reject(request, request.error)
            return

        self._request = request
        with telemetry.submission(
            request.request_id, request.offer_id, request.correlation_id, request.traceparent
        ):
            await self._process(request)

    @property
    def is_kept_by_the_ledger(self) -> bool:
        """Whether the ledger goes on with the request without this message."""
        return self._claim is not None or self._owes_event

    async def _process(self, request: CancelRequest) -> None:
        if self._has_no_id_of_its_own(request):
            await self._send_anew(request)
            return

        now = self._services.clock()
        claim = await self._services.ledger.insert(self._first_record(request, now))
        if not claim.is_new:
            await self._meet(claim.record, request)
        elif claim.record.status.is_final:  # it came after its deadline
            await self._report_inserted(claim.record)
        else:
            await self._submit(claim.record, "cancel.claimed")

    def _has_no_id_of_its_own(self, request: CancelRequest) -> bool:
        return request.request_id == f"msg-{self._message.id}"

    async def _send_anew(self, request: CancelRequest) -> None:
        """Puts the request on the queue with an id, so that it stays one request from now on.

        Only what has an id is claimed: the host may give this message up after all, and its copy
        in the poison queue would have another message id.
        """
        record = self._first_record(request, self._services.clock())
        await self._services.requests.send(message_of(record))
        self.log("cancel.sent_anew")

    def _first_record(self, request: CancelRequest, now: datetime) -> Record:
        """The claim of the request, or its end where its deadline has passed."""
        settings = self._services.settings
        record = transitions.claimed(request, self._message.inserted_at, now, settings)
        record = replace(record, traceparent=record.traceparent or telemetry.traceparent())
        if not record.is_past_deadline(now):
            return record

        # Its due row waits a lease, so that this invocation sends the event first.
        unclaimed = transitions.adopted(request, self._message.inserted_at, now, settings)
        return replace(transitions.expired(unclaimed, now), due_at=record.due_at)

    async def _meet(self, record: Record, request: CancelRequest) -> None:
        """There is a record: what it asks for now decides."""
        self._met = record
        if conflict := request_id_conflict(record, request):
            await self._reject(request, conflict)
            return

        now = self._services.clock()
        match next_step(record, now):
            case NextStep.REPORT:
                await self._report_again(record)
            case NextStep.LEAVE | NextStep.POLL:
                self._log_step("cancel.left", record)
            case NextStep.EXPIRE:
                await self._end(record, transitions.expired(record, now))
            case NextStep.GIVE_UP:
                await self._end(record, transitions.given_up(record, now))
            case NextStep.RESUME:
                lease_seconds = self._services.settings.lease_seconds
                taken = transitions.taken_over(record, now, lease_seconds)
                taken = await self._services.ledger.save(record, taken)
                await self._submit(taken, "cancel.taken_over")

    async def _submit(self, record: Record, how: str) -> None:
        """Makes one attempt under the claim just written, and writes down its result."""
        self._claim = claim = Claim.of(record)
        self._log_step(how, record)
        decision = await claim.attempt(self._services)

        now = self._services.clock()
        match decision:
            case Ending():
                await self._end(claim.stored, transitions.finished(claim.current, now, decision))
            case Accept():
                await self._accept(claim, decision, now)
            case Defer():
                await self._defer(claim, decision, now)

    async def _accept(self, claim: Claim, decision: Accept, now: datetime) -> None:
        next_poll = self._services.backoff.until(now, 0, decision.retry_after)
        accepted = transitions.accepted(
            claim.current,
            now,
            next_poll,
            decision.http_status,
            decision.location,
            operation_status=decision.operation_status,
        )
        await self._services.ledger.save(claim.stored, accepted)
        self._log_step("cancel.accepted", accepted)

    async def _defer(self, claim: Claim, decision: Defer, now: datetime) -> None:
        deferrals = claim.current.deferrals
        next_try = self._services.backoff.next(
            now, deferrals, decision.retry_after, decision.paused_until
        )
        deferred = transitions.deferred(
            claim.current,
            next_try,
            http_status=decision.http_status,
            uncertain=decision.uncertain,
            refused_since=decision.refused_since,
            reason=transitions.Reason(decision.answered, decision.error),
        )
        await self._services.ledger.save(claim.stored, deferred)
        telemetry.put_off(decision.cause)
        reason = deferred.new_reason_fields(claim.stored)
        self._log_step("cancel.deferred", deferred, cause=decision.cause, **reason)

    # The end.

    async def _end(self, before: Record, final: Record) -> None:
        """Writes the end, then reports it; from then on the due row owes the event."""
        record = await write_end(self._services.ledger, before, final)
        self._owes_event = True
        await report(self._services.ledger, self._services.outcomes, record)

    async def _report_inserted(self, record: Record) -> None:
        self._owes_event = True
        telemetry.ended(record.status.value, record.error_code)
        await report(self._services.ledger, self._services.outcomes, record)

    async def _report_again(self, record: Record) -> None:
        """The request has ended: its event is sent once more."""
        try:
            await report(self._services.ledger, self._services.outcomes, record)
        except Exception:
            # Looked up only now: where the row is gone, this message is all that owes the event.
            self._owes_event = await self._services.ledger.has_due_row(record)
            raise

    async def _reject(
        self, what: CancelRequest | InvalidRequest, error: Error, status: Status = Status.REJECTED
    ) -> None:
        rejection = Rejection(
            text=self._message.text,
            inserted_at=self._message.inserted_at,
            message_id=self._message.id,
            what=what,
            error=error,
            status=status,
        )
        await reject(self._services, rejection)

    # A bug.

    async def give_up(self, bug: Exception) -> None:
        """After a bug: the claim is released, and on the fifth delivery the request ends.

        Raises InvocationError where the message is to be delivered again, and StorageError.
        """
        if self._owes_event:  # a bug in the event: the due row owes it
            return

        try:
            if self._message.deliveries >= LAST_DELIVERY:
                await self._end_by(bug)
                return
            if self._claim:
                await self._release(self._claim)
        except StorageError:
            if self.is_kept_by_the_ledger:
                return
            raise
        except (LostUpdateError, UnreadableRecordError):  # the record is not this invocation's
            return
        except Exception as second:  # as with the first, its text stays here
            self.log("cancel.bug", logging.ERROR, **log.fault_fields(second))
            if self._owes_event:
                return

        text = f"{type(bug).__name__} on delivery {self._message.deliveries}"
        raise InvocationError(text) from None  # the bug's own text may quote the message

    async def _end_by(self, bug: Exception) -> None:
        """Ends what this invocation holds, or what has no record; the rest is the ledger's."""
        now = self._services.clock()
        if claim := self._claim:
            final = transitions.failed_by_bug(claim.current, now, bug, has_posted=claim.has_posted)
            await self._end(claim.stored, final)
        elif self._request is None:
            unread = InvalidRequest(faults=(), request_id=f"msg-{self._message.id}")
            await self._reject(unread, transitions.internal_error(bug), Status.FAILED)
        elif self._met is None:
            await self._insert_end(self._request, bug, now)

    async def _insert_end(self, request: CancelRequest, bug: Exception, now: datetime) -> None:
        """Ends a request that has no record, by a record; where there is one, it decides."""
        settings = self._services.settings
        unclaimed = transitions.adopted(request, self._message.inserted_at, now, settings)
        final = transitions.failed_by_bug(unclaimed, now, bug, has_posted=False)
        due_at = after(now, settings.lease_seconds)
        inserted = await self._services.ledger.insert(replace(final, due_at=due_at))
        if inserted.is_new:
            await self._report_inserted(inserted.record)

    async def _release(self, claim: Claim) -> None:
        released = transitions.released(
            claim.current,
            self._services.clock(),
            self._services.settings.lease_seconds,
            uncertain=claim.has_posted,
        )
        await self._services.ledger.save(claim.stored, released)

    # What is logged.

    def log(self, name: str, level: int = logging.INFO, **fields: object) -> None:
        """Logs an event with what names this delivery, as far as it is known."""
        known: dict[str, object] = {"messageId": self._message.id}
        if request := self._request:
            known["requestId"] = request.request_id
            known["offerId"] = request.offer_id
            known["correlationId"] = request.correlation_id or None
        log.event(logger, name, level, **known, deliveries=self._message.deliveries, **fields)

    def _log_step(self, name: str, record: Record, **fields: object) -> None:
        log.event(logger, name, **record.log_fields(), **fields)
