"""The message that puts a request back on the queue: complete, with its id and its deadline."""

import json

from offer_cancellation.clock import rfc3339
from offer_cancellation.ledger.record import Record


def message_of(record: Record) -> str:
    """The JSON text of a request that meets this record again, and nothing but it."""
    fields = {
        "publisherId": record.publisher_id,
        "offerId": record.offer_id,
        "requestId": record.request_id,
        "expiresAt": rfc3339(record.deadline),
        "notificationEmails": record.notification_emails,
        "operationId": record.operation_id,
        "correlationId": record.correlation_id,
        "traceparent": record.traceparent,
    }
    return json.dumps({name: value for name, value in fields.items() if value is not None})
