"""Takes what the host gave up on into the ledger: no message is left behind in the poison queue.

The host alone writes that queue, after five failed deliveries: its worker could not convert the
message, storage was away, or the worker died. Each copy is settled by itself and deleted last.

    the copy …                                 what becomes of it
    holds no valid request                     rejected, as the trigger does
    has no record                              a deferred, due record: the next tick goes on with it
    has a record of another request            rejected, `RequestIdReused`
    has a final record                         the event is sent again
    has any other record                       nothing: the ledger has it
    meets a bug, or is older than six days     kept in the rejected queue; ended if it has no record

A fault of storage, or of the place for events, leaves the copy for another tick. It is hidden
longer each time, so a copy that kills its reader does so ever more rarely.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

from offer_cancellation import log, telemetry, transitions
from offer_cancellation.clock import after, whole_milliseconds
from offer_cancellation.errors import StorageError, UnreadableRecordError
from offer_cancellation.ledger.record import Record
from offer_cancellation.outcome import report
from offer_cancellation.rejection import Rejection, report_rejection
from offer_cancellation.request import CancelRequest, InvalidRequest, parse, request_id_conflict
from offer_cancellation.services import Services
from offer_cancellation.status import Ending, Error, ErrorCode, Status
from offer_cancellation.storage import Copy
from poll_timer.sends import Sends

logger = logging.getLogger(__name__)

MAX_AGE = timedelta(days=6)  # the host's copies live for seven
_HIDDEN_SECONDS, _HIDDEN_MAX_SECONDS = 60, 3600


async def adopt_given_up(services: Services, outcome_sends: Sends) -> int:
    """Settles every copy that can be seen; how many. Raises StorageError."""
    adopted = 0
    while copies := await services.poison.receive(_HIDDEN_SECONDS):
        adoptions = [_Adoption(copy, services, outcome_sends) for copy in copies]
        settled = await asyncio.gather(*(adoption.run() for adoption in adoptions))
        adopted += sum(settled)
        if not any(settled):  # whatever is wrong, the next copies would meet it, too
            break

    return adopted


class _Adoption:
    """The adoption of one copy."""

    def __init__(self, copy: Copy, services: Services, outcome_sends: Sends) -> None:
        self._copy = copy
        self._services = services
        self._outcome_sends = outcome_sends
        self._now = services.clock()
        self._inserted_at = whole_milliseconds(min(copy.inserted_at or self._now, self._now))

    async def run(self) -> bool:
        """Whether the copy is settled; else it shows again later."""
        try:
            if await self._hide_longer():
                await self._settle_or_end()
                await self._services.poison.delete(self._copy)
        except StorageError as error:
            self._log("adoption.failed", logging.WARNING, **log.fault_fields(error))
            return False
        except Exception as bug:  # it must not keep the other copies
            self._log("adoption.bug", logging.ERROR, **log.fault_fields(bug))
            return False

        return True

    async def _hide_longer(self) -> bool:
        """Before it is read: each time twice as long. False when another tick has settled it."""
        repeats = min(self._copy.receipts - 1, 16)
        if not repeats:
            return True

        seconds = min(_HIDDEN_SECONDS * 2**repeats, _HIDDEN_MAX_SECONDS)

        return await self._services.poison.hide(self._copy, seconds)

    async def _settle_or_end(self) -> None:
        try:
            if self._now - self._inserted_at >= MAX_AGE:
                await self._keep_and_end(f"not adopted within {MAX_AGE.days} days")
                return

            await self._settle_or_end_by_bug()
        except UnreadableRecordError as error:  # the record decides, once somebody can read it
            self._log("ledger.unreadable_record", logging.ERROR, detail=str(error))

    async def _settle_or_end_by_bug(self) -> None:
        try:
            await self._settle()
        except (StorageError, UnreadableRecordError):
            raise
        except Exception as bug:  # whatever it is, the message must not get lost
            self._log("adoption.bug", logging.ERROR, **log.fault_fields(bug))
            await self._keep_and_end(transitions.internal_error(bug).message)

    async def _settle(self) -> None:
        request = parse(self._copy.text, self._copy.id)
        if isinstance(request, InvalidRequest):
            await self._reject(request, request.error)
            return

        inserted = await self._services.ledger.insert(self._first_record(request))
        record = inserted.record
        if inserted.is_new:
            self._log("adoption.adopted", logging.WARNING, **record.log_fields())
        elif conflict := request_id_conflict(record, request):
            await self._reject(request, conflict)
        elif record.status.is_final:
            await self._report(record)

    async def _keep_and_end(self, why: str) -> None:
        """Keeps the original, and ends the request as a bug does, unless it has a record."""
        error = Error(ErrorCode.INTERNAL_ERROR, why)
        request = self._parsed()
        if isinstance(request, InvalidRequest):
            await self._reject(request, error, Status.FAILED)
            return

        ending = Ending(Status.FAILED, error)
        final = transitions.finished(self._first_record(request), self._now, ending)
        due_at = after(self._now, self._services.settings.lease_seconds)
        await self._services.rejected.keep(self._copy.text)
        inserted = await self._services.ledger.insert(replace(final, due_at=due_at))
        if inserted.is_new:
            telemetry.ended(final.status.value, final.error_code)
            await self._report(inserted.record)

    def _parsed(self) -> CancelRequest | InvalidRequest:
        """The request, as far as it can be read at all."""
        try:
            return parse(self._copy.text, self._copy.id)
        except Exception:  # it is the bug that brought it here
            return InvalidRequest(faults=(), request_id=f"msg-{self._copy.id}")

    def _first_record(self, request: CancelRequest) -> Record:
        settings = self._services.settings

        return transitions.adopted(request, self._inserted_at, self._now, settings)

    async def _reject(
        self, what: CancelRequest | InvalidRequest, error: Error, status: Status = Status.REJECTED
    ) -> None:
        rejection = Rejection(
            text=self._copy.text,
            inserted_at=self._inserted_at,
            message_id=self._copy.id,
            what=what,
            error=error,
            status=status,
        )
        await self._send(lambda: report_rejection(self._services, rejection))
        await self._services.rejected.keep(rejection.text)

    async def _report(self, record: Record) -> None:
        services = self._services
        await self._send(lambda: report(services.ledger, services.outcomes, record))

    async def _send(self, send: Callable[[], Awaitable[None]]) -> None:
        """Raises StorageError when it could not be sent: the copy is left."""
        if not await self._outcome_sends.attempt(send):
            raise StorageError("an outcome could not be sent")

    def _log(self, name: str, level: int, **fields: object) -> None:
        log.event(
            logger, name, level, messageId=self._copy.id, receipts=self._copy.receipts, **fields
        )
