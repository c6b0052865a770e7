"""The end of a message that is no request: its event, then its text to the poison queue.

The event goes first: after a crash between the two it is sent again with the same id, while the
poison queue would hold a second copy that nobody can tell from the first.
"""

import logging

from cancel_trigger.message import Message
from offer_cancellation import log, telemetry
from offer_cancellation.clients import Clients
from offer_cancellation.original import forms
from offer_cancellation.outcome import Refusal
from offer_cancellation.request import CancelRequest, InvalidRequest
from offer_cancellation.status import Error, Status

logger = logging.getLogger(__name__)


async def reject(
    message: Message,
    what: CancelRequest | InvalidRequest,
    error: Error,
    clients: Clients,
    status: Status = Status.REJECTED,
) -> None:
    """Reports and keeps the message. Raises azure.core.exceptions.AzureError."""
    refusal = Refusal(
        message_id=message.id,
        text=message.text,
        request_id=what.request_id,
        publisher_id=what.publisher_id,
        offer_id=what.offer_id,
        correlation_id=what.correlation_id or None,
        traceparent=what.traceparent,
        requested_at=message.inserted_at,
        error=error,
        status=status,
    )
    fields = [fault.field for fault in what.faults] if isinstance(what, InvalidRequest) else None
    log.event(
        logger, "cancel.invalid", logging.WARNING, messageId=message.id,
        requestId=what.request_id, offerId=what.offer_id, code=error.code, fields=fields,
        correlationId=what.correlation_id or None, traceparent=what.traceparent,
    )  # fmt: skip
    telemetry.ended(status.value, error.code)
    await clients.outcomes.refuse(refusal, clients.clock())
    await clients.poison.send(forms(message.text)[0])
