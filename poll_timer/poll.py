"""Polls one accepted request, and says what its record is afterwards."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, auto

from offer_cancellation import log, transitions
from offer_cancellation.clock import after
from offer_cancellation.ledger.record import Record
from offer_cancellation.portal.decision import Done, Pending
from offer_cancellation.portal.location import Untrusted
from offer_cancellation.services import Services


class NotPolled(Enum):
    """No poll was sent: the request stays as it is, still due."""

    NO_TURN = auto()  # the tick starts no more polls
    LAST_POLL_WAITS = auto()  # past its deadline it waits for one that can be sent


@dataclass(frozen=True, slots=True)
class Polled:
    """A poll's result: the record before and after it, and what is to be logged."""

    before: Record
    record: Record
    untrusted: Untrusted | None = None
    not_understood: bool = False

    def log(self, logger: logging.Logger) -> None:
        """Logs what changed: an operation that goes on saying the same is not logged again."""
        before, record, fields = self.before, self.record, self.record.log_fields()
        if record.operation_status != before.operation_status:
            log.event(logger, "poll.status", **fields, operationStatus=record.operation_status)
        if record.location != before.location:
            log.event(logger, "poll.moved", **fields)
        if self.untrusted:
            log.event(logger, "poll.untrusted_location", **fields, reason=self.untrusted.reason)
        is_news = record.last_code or before.last_code  # a good answer is none, unless it is new
        if is_news and (news := record.new_reason_fields(before)):
            log.event(logger, "poll.answer", **fields, **news, isUnderstood=not self.not_understood)


class PollSlots:
    """Turns to poll: so many at once, and none begins after `start_by` (time of the loop)."""

    def __init__(self, concurrency: int, start_by: float) -> None:
        self._semaphore = asyncio.Semaphore(concurrency)
        self._start_by = start_by

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[float | None]:
        """Waits for a turn: by when its poll must begin, None when it is too late."""
        async with self._semaphore:
            is_late = asyncio.get_running_loop().time() > self._start_by
            yield None if is_late else self._start_by


@dataclass(frozen=True, slots=True)
class Poller:
    """Polls requests within the slots of one tick."""

    services: Services
    slots: PollSlots

    async def poll(self, record: Record) -> Polled | NotPolled:
        """One poll of the request's API, in a slot."""
        async with self.slots.slot() as start_by:
            if start_by is None:
                return NotPolled.NO_TURN
            found = await self.services.apis.of(record).poll(record, start_by)

        now = self.services.clock()
        if isinstance(found, Done):
            counted = replace(record, polls=record.polls + found.polls)
            return Polled(record, transitions.finished(counted, now, found.ending))
        if not found.polls and self._may_wait_for_its_last_poll(record, now):
            return NotPolled.LAST_POLL_WAITS

        return self._pending(record, found, now)

    def _pending(self, record: Record, decision: Pending, now: datetime) -> Polled:
        observation = decision.observation
        next_poll = self.services.backoff.next(
            now, record.polls + 1, decision.retry_after, decision.paused_until
        )
        polled = transitions.polled(
            record,
            next_poll,
            polls=decision.polls,
            operation_status=observation.operation_status,
            location=observation.location,
            refused_since=observation.refused_since,
            reason=transitions.Reason(decision.answered, decision.error, decision.api_request_id),
        )
        if record.is_past_deadline(now):
            # The due row that there is stays, and owes the event.
            expired = transitions.expired(replace(polled, due_at=record.due_at), now)
            return Polled(record, expired)

        return Polled(record, polled, decision.untrusted, decision.not_understood)

    def _may_wait_for_its_last_poll(self, record: Record, now: datetime) -> bool:
        """Past its deadline a request waits for one poll that can be sent, at most a lease."""
        limit = after(record.deadline, self.services.settings.lease_seconds)

        return record.is_past_deadline(now) and now < limit
