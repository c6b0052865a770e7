"""Chooses the API that a request belongs to: an offer's, or a submission's."""

from dataclasses import dataclass

from offer_cancellation.ledger.record import Record
from offer_cancellation.portal.decision import Api


@dataclass(frozen=True, slots=True)
class Apis:
    """One adapter for each generation."""

    cloud_partner: Api
    submission: Api

    def of(self, record: Record) -> Api:
        """The API that cancels what a record names."""
        return self.submission if record.submission_id else self.cloud_partner

    async def close(self) -> None:
        """Closes the connections of both."""
        await self.cloud_partner.close()
        await self.submission.close()
