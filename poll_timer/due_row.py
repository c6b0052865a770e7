"""Does what one due row's record asks for: polls, puts back on the queue, ends, or reports.

A broken row, a lost race or a place that is away never leaves here as an exception; a storage
fault of the ledger and a bug do, and the row is still due.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from offer_cancellation import log, telemetry, transitions
from offer_cancellation.errors import LostUpdateError, StorageError, UnreadableRecordError
from offer_cancellation.ledger.keys import DueRow, RecordKey
from offer_cancellation.ledger.record import Record
from offer_cancellation.ledger.table import due_row
from offer_cancellation.next_step import NextStep, is_held, next_step
from offer_cancellation.outcome import report, write_end
from offer_cancellation.request import message_of
from offer_cancellation.services import Services
from offer_cancellation.status import Status
from poll_timer.poll import NotPolled, Polled, Poller
from poll_timer.sends import Sends

logger = logging.getLogger(__name__)

# A claimer gets this much longer than a message's take-over does, which then finds its lease over.
PUT_BACK_MARGIN = 10.0  # seconds


class RowResult(StrEnum):
    """What became of a due row; the words of the `cameTo` of a tick's log record."""

    REPORTED = "reported"  # its event was owed, and is sent
    OWED = "owed"  # its event could not be sent
    PUT_BACK = "put-back"
    PENDING = "pending"  # polled, not done
    WAITING = "waiting"  # nothing could be done yet
    CANCELED = "canceled"
    FAILED = "failed"
    REJECTED = "rejected"
    EXPIRED = "expired"
    REPAIRED = "repaired"  # the row was not its record's
    ORPHAN = "orphan"  # the row has no record
    UNREADABLE = "unreadable"
    LOST = "lost"  # another process was faster
    STORAGE_FAILED = "storage-failed"  # the ledger could not be read or written: still due
    BUG = "bug"  # still due, too
    TO_POLL = "to-poll"  # left for the lane where polls wait


@dataclass(frozen=True, slots=True)
class DueRows:
    """Works on due rows in one tick."""

    services: Services
    poller: Poller
    outcome_sends: Sends
    request_sends: Sends

    async def process(self, row: DueRow, *, may_poll: bool) -> RowResult:
        """Does what is due. Raises StorageError when the ledger fails.

        Without `may_poll` a record that is to be polled is left, `TO_POLL`.
        """
        services = self.services
        try:
            record = await services.ledger.find(row.record_key)
        except UnreadableRecordError as error:
            if services.reported_once.add(str(error)):
                log.event(logger, "ledger.unreadable_record", logging.ERROR, detail=str(error))
            return RowResult.UNREADABLE

        if record is None:
            log.event(logger, "ledger.orphan_due_row", logging.ERROR, row=row.row_key)
            services.ledger.remove_soon(row)
            return RowResult.ORPHAN

        try:
            return await self._process(record, row, may_poll)
        except LostUpdateError as error:  # another process did it
            self._log("poll.lost_update", record, detail=str(error))
            return RowResult.LOST
        except StorageError:
            raise
        except Exception:
            # A bug must not keep a request for ever: past its deadline it ends all the same.
            now = services.clock()
            if not record.status.is_final and record.is_past_deadline(now):
                await self._end(record, transitions.expired(record, now))
            raise

    async def _process(self, record: Record, row: DueRow, may_poll: bool) -> RowResult:
        now = self.services.clock()
        if not record.status.is_final and not row.is_same_row(due_row(record)):
            return await self._repair(record, row)

        match next_step(record, now, lease_margin=PUT_BACK_MARGIN):
            case NextStep.REPORT:
                return await self._report(record, row)
            case NextStep.POLL:
                return await self._poll(record) if may_poll else RowResult.TO_POLL
            case NextStep.LEAVE:
                return RowResult.WAITING
            case NextStep.EXPIRE:
                return await self._end(record, transitions.expired(record, now))
            case NextStep.GIVE_UP:
                return await self._end(record, transitions.given_up(record, now))
            case NextStep.RESUME:
                return await self._put_back(record, now)

    async def _repair(self, record: Record, stray: DueRow) -> RowResult:
        """The row is not the one that its record names, which an edit can bring about.

        What another worker holds is left to it: the stray row goes once the lease is over.
        """
        now = self.services.clock()
        if is_held(record, now, lease_margin=PUT_BACK_MARGIN):
            return RowResult.WAITING

        await self.services.ledger.restore_due_row(transitions.with_due_time(record, now), stray)

        return RowResult.REPAIRED

    async def _poll(self, record: Record) -> RowResult:
        """Polls once, and writes down the result."""
        with telemetry.poll(record):
            result = await self.poller.poll(record)
            if isinstance(result, NotPolled):
                return RowResult.WAITING
            try:
                return await self._write_poll(result)
            except LostUpdateError:
                await self._count_polls(record, result.record.polls - record.polls)
                raise

    async def _write_poll(self, polled: Polled) -> RowResult:
        if polled.record.status.is_final:
            return await self._end(polled.before, polled.record)

        await self.services.ledger.save(polled.before, polled.record)
        polled.log(logger)

        return RowResult.PENDING

    async def _count_polls(self, before: Record, polls: int) -> None:
        """Another timer was faster: its result stands, and these GETs count all the same."""
        ledger = self.services.ledger
        found = await ledger.find(RecordKey.of(before.request_id))
        if found and found.status is Status.ACCEPTED:
            await ledger.save(found, transitions.counted(found, polls))

    async def _put_back(self, record: Record, now: datetime) -> RowResult:
        """Moves the due row on first: a message may be sent twice, but not at each tick."""
        services = self.services
        lease_seconds = services.settings.lease_seconds
        moved = transitions.put_back(record, now, lease_seconds, services.backoff.jitter)
        await services.ledger.save(record, moved)

        if not await self.request_sends.attempt(lambda: services.requests.send(message_of(moved))):
            return RowResult.WAITING

        self._log("poll.put_back", moved)

        return RowResult.PUT_BACK

    async def _end(self, before: Record, final: Record) -> RowResult:
        """Writes the end, then sends its event; an event that cannot be sent stays owed."""
        record = await write_end(self.services.ledger, before, final)
        await self._send_event(record)

        return RowResult(record.status.value)

    async def _report(self, record: Record, row: DueRow) -> RowResult:
        """A final record whose row is still there: its event is owed."""
        is_sent = await self._send_event(record)
        if not row.is_same_row(due_row(record)):  # unsent, its own row owes the event
            self.services.ledger.remove_soon(row)

        return RowResult.REPORTED if is_sent else RowResult.OWED

    async def _send_event(self, record: Record) -> bool:
        """Whether the event is out; otherwise its due row moves on, ever further."""
        ledger, outcomes = self.services.ledger, self.services.outcomes
        if await self.outcome_sends.attempt(lambda: report(ledger, outcomes, record)):
            return True

        await ledger.save(record, transitions.owed(record, self.services.clock()))
        self._log("outcome.owed", record, logging.WARNING)

        return False

    def _log(self, name: str, record: Record, level: int = logging.INFO, **fields: object) -> None:
        log.event(logger, name, level, **record.log_fields(), **fields)
