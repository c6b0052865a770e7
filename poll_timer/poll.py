"""Polls one accepted request, and says what its record is afterwards."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, auto

from offer_cancellation import log, telemetry, transitions
from offer_cancellation.clock import after
from offer_cancellation.ledger.record import Record
from offer_cancellation.portal.answer import Answer, Cause, Reply
from offer_cancellation.portal.location import Trusted, Untrusted, resolve
from offer_cancellation.portal.look import Look, look
from offer_cancellation.services import Services
from offer_cancellation.status import Ending
from poll_timer.decisions import Pending, interpret_poll


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
        """One GET of the record's location, or a look at its offer without one."""
        services, settings = self.services, self.services.settings
        location = self._location(record)
        if isinstance(location, Untrusted):
            ending = location.ending()
            return Polled(record, transitions.finished(record, services.clock(), ending))

        async with self.slots.slot() as start_by:
            if start_by is None:
                return NotPolled.NO_TURN
            reply = await self._read(record, location, start_by)
        _count(reply)

        now = services.clock()
        decision = interpret_poll(reply, record, now, settings.poll_grace, settings.api_version)
        if isinstance(decision, Ending):
            counted = replace(record, polls=record.polls + 1)
            return Polled(record, transitions.finished(counted, now, decision))
        if not decision.polls and self._may_wait_for_its_last_poll(record, now):
            return NotPolled.LAST_POLL_WAITS

        return self._pending(record, decision, now)

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
            reason=transitions.Reason(decision.answered, decision.error),
        )
        if record.is_past_deadline(now):
            # The due row that there is stays, and owes the event.
            expired = transitions.expired(replace(polled, due_at=record.due_at), now)
            return Polled(record, expired)

        return Polled(record, polled, decision.untrusted, decision.not_understood)

    def _location(self, record: Record) -> Trusted | Untrusted | None:
        """The record's location, judged again: a row can be edited."""
        if record.location is None:
            return None

        portal, settings = self.services.portal, self.services.settings

        return resolve(record.location, portal.url("/api/"), settings.api_version)

    async def _read(
        self, record: Record, location: Trusted | None, start_by: float
    ) -> Reply | Look:
        portal = self.services.portal
        if location is None:
            return await look(portal, record, start_by=start_by)

        return await portal.read(location.target, start_by)

    def _may_wait_for_its_last_poll(self, record: Record, now: datetime) -> bool:
        """Past its deadline a request waits for one poll that can be sent, at most a lease."""
        limit = after(record.deadline, self.services.settings.lease_seconds)

        return record.is_past_deadline(now) and now < limit


def _count(reply: Reply | Look) -> None:
    answer = reply.reply if isinstance(reply, Look) else reply
    if isinstance(answer, Answer):
        telemetry.polled(str(answer.status))
    elif answer.cause is not Cause.THROTTLED:
        telemetry.polled(answer.cause.value)
