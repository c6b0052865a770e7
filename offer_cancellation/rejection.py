"""Ends a message that holds no valid request: its event first, then its text to the rejected queue.

After a crash between the two the event is sent again with the same id, and the text kept twice at
worst.
"""

import logging
from datetime import datetime

from offer_cancellation import log, telemetry
from offer_cancellation.outcome_event import Refusal
from offer_cancellation.request import CancelRequest, InvalidRequest
from offer_cancellation.services import Services
from offer_cancellation.status import Error, Status

logger = logging.getLogger(__name__)


async def reject(  # noqa: PLR0913 - what is known of the message, by name
    services: Services,
    *,
    text: str,
    inserted_at: datetime,
    what: CancelRequest | InvalidRequest,
    error: Error,
    status: Status = Status.REJECTED,
    message_id: str,
) -> None:
    """Reports and keeps the message. Raises StorageError."""
    now = services.clock()
    refusal = Refusal(
        text=text,
        request_id=what.request_id,
        publisher_id=what.publisher_id or None,
        offer_id=what.offer_id or None,
        product_id=what.product_id or None,
        submission_id=what.submission_id or None,
        correlation_id=what.correlation_id or None,
        traceparent=what.traceparent,
        requested_at=min(inserted_at, now),
        error=error,
        status=status,
    )
    fields = [fault.field for fault in what.faults] if isinstance(what, InvalidRequest) else None
    log.event(
        logger,
        "cancel.invalid",
        logging.WARNING,
        **refusal.log_fields(),
        messageId=message_id,
        fields=fields,
    )
    telemetry.ended(status.value, error.code)

    await services.outcomes.send_refusal(refusal, now)
    await services.rejected.keep(text)
