"""The record that an invocation holds, and one attempt to submit its request.

An attempt is a guard or a look where there is one, then the POST. No call is begun that could
outlive the lease. What an answer means is decided in `decisions`.
"""

from dataclasses import dataclass, replace
from typing import Self

from cancel_trigger.decisions import (
    NO_TIME,
    Accept,
    Defer,
    Post,
    interpret_guard,
    interpret_look,
    interpret_post,
)
from offer_cancellation.clock import after
from offer_cancellation.ledger.record import Record
from offer_cancellation.portal.answer import NoAnswer
from offer_cancellation.portal.look import look
from offer_cancellation.services import Services
from offer_cancellation.status import Ending
from offer_cancellation.transitions import posting


@dataclass(slots=True)
class Claim:
    """The record that is held: `stored` as it is in the table, `current` as far as it has got."""

    stored: Record
    current: Record

    @classmethod
    def of(cls, record: Record) -> Self:
        """A claim that has not got anywhere yet."""
        return cls(record, record)

    @property
    def has_posted(self) -> bool:
        """Whether its POST has begun: what that led to is not in the table."""
        return self.current.attempts > self.stored.attempts

    async def attempt(self, services: Services) -> Accept | Ending | Defer:
        """Submits the request as far as it may be, and says what that led to."""
        record = self.current
        before = await self._check(services)
        if isinstance(before, Defer):
            return replace(before, refused_since=record.refused_since)
        if isinstance(before, Ending):
            return before

        if not self._has_time(services):
            return replace(NO_TIME, refused_since=record.refused_since)

        self.current = posting(record, services.clock())
        reply = await services.portal.cancel(
            record.publisher_id,
            record.offer_id,
            record.notification_emails,
            unpooled=record.uncertain or record.operation_id is not None,
        )
        if isinstance(reply, NoAnswer) and not reply.sent:
            self.current = record  # nothing went out: it was no attempt

        settings = services.settings
        return interpret_post(
            reply, record, services.clock(), settings.poll_grace, settings.api_version
        )

    async def _check(self, services: Services) -> Post | Ending | Defer:
        """What the guard says; without one, what a look says after an uncertain attempt."""
        record = self.current
        if record.operation_id:
            if not self._has_time(services):
                return NO_TIME

            reply = await services.portal.operation(
                record.publisher_id, record.offer_id, record.operation_id
            )
            return interpret_guard(reply, services.clock())

        if not record.uncertain:
            return Post()

        found = await look(services.portal, record, has_time=lambda: self._has_time(services))
        return interpret_look(found, services.clock())

    def _has_time(self, services: Services) -> bool:
        """Whether one more call would end within the lease."""
        call_end = after(services.clock(), services.settings.api_timeout)
        return self.current.lease_until is not None and call_end <= self.current.lease_until
