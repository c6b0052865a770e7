"""Holds the record of a request, and makes one attempt to cancel what it names.

An attempt is a look where one is due, then the cancel call. No call is begun that could outlive the
lease. What an answer means is decided in `offer_cancellation/portal`.
"""

from dataclasses import dataclass, replace
from typing import Self

from offer_cancellation.clock import after
from offer_cancellation.ledger.record import Record
from offer_cancellation.portal.decision import NO_TIME, Accept, Defer, Proceed
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
        """Whether its cancel call has begun: what that led to is not in the table."""
        return self.current.attempts > self.stored.attempts

    async def attempt(self, services: Services) -> Accept | Ending | Defer:
        """Submits the request as far as it may be, and says what that led to.

        Raises LostUpdateError and StorageError.
        """

        def has_time() -> bool:
            """Whether one more call would end within the lease."""
            call_end = after(services.clock(), services.settings.api_timeout)
            return self.current.lease_until is not None and call_end <= self.current.lease_until

        api = services.apis.of(self.current)
        found = await api.look(self.current, has_time)
        if isinstance(found, Defer):
            kept = found.refused_since or self.current.refused_since
            return replace(found, refused_since=kept)
        if isinstance(found, Ending):
            return found

        await self._note(found, services)
        record = self.current
        if not has_time():
            return replace(NO_TIME, refused_since=record.refused_since)

        self.current = posting(record, services.clock())
        decision = await api.cancel(record, has_time)
        if isinstance(decision, Defer) and not decision.was_sent:
            self.current = record  # nothing went out: it was no attempt

        return decision

    async def _note(self, found: Proceed, services: Services) -> None:
        """Writes what the look saw, where the record must know it before the call goes out."""
        if found.submitted_seen_at == self.current.submitted_seen_at:
            return

        noted = replace(self.current, submitted_seen_at=found.submitted_seen_at)
        self.stored = self.current = await services.ledger.save(self.stored, noted)
