"""Ends a message that holds no valid request: its event first, then its text to the rejected queue.

After a crash between the two the event is sent again with the same id, and the text kept twice at
worst.
"""

import logging
from dataclasses import dataclass
from datetime import datetime

from offer_cancellation import log, telemetry
from offer_cancellation.outcome_event import Refusal
from offer_cancellation.request import CancelRequest, InvalidRequest
from offer_cancellation.services import Services
from offer_cancellation.status import Error, Status

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A message that is to be rejected: its text, what was read of it, and what is wrong."""

    text: str
    inserted_at: datetime
    message_id: str
    what: CancelRequest | InvalidRequest
    error: Error
    status: Status = Status.REJECTED

    def refusal(self, now: datetime) -> Refusal:
        """What its event is built from."""
        what = self.what

        return Refusal(
            text=self.text,
            request_id=what.request_id,
            publisher_id=what.publisher_id or None,
            offer_id=what.offer_id or None,
            product_id=what.product_id or None,
            submission_id=what.submission_id or None,
            correlation_id=what.correlation_id or None,
            traceparent=what.traceparent,
            requested_at=min(self.inserted_at, now),
            error=self.error,
            status=self.status,
        )


async def reject(services: Services, rejection: Rejection) -> None:
    """Reports and keeps the message. Raises StorageError."""
    await report_rejection(services, rejection)
    await services.rejected.keep(rejection.text)


async def report_rejection(services: Services, rejection: Rejection) -> None:
    """Sends the event alone. Raises StorageError."""
    now, what = services.clock(), rejection.what
    refusal = rejection.refusal(now)
    fields = [fault.field for fault in what.faults] if isinstance(what, InvalidRequest) else None
    log.event(
        logger,
        "cancel.invalid",
        logging.WARNING,
        **refusal.log_fields(),
        messageId=rejection.message_id,
        fields=fields,
    )

    await services.outcomes.send_refusal(refusal, now)
    telemetry.ended(refusal.status.value, refusal.error.code)
