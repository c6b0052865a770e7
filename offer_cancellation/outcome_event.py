"""Builds an outcome event: CloudEvents 1.0 in JSON, from a final record or a refused message.

Repeats of an event carry the same `source` and `id` (CloudEvents 1.0.2, 3.1.1), so that a
consumer can tell them. The JSON stays under 48 KiB: base64 on the queue makes 64 KiB of it.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from offer_cancellation.clock import rfc3339
from offer_cancellation.ledger.record import Record
from offer_cancellation.status import CODE_LIMIT, Error, Status
from offer_cancellation.text import cut, mask_secrets

SIZE_LIMIT = 48 * 1024  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A message that holds no valid request: what is known of it, and what is wrong."""

    text: str
    request_id: str
    publisher_id: str | None
    offer_id: str | None
    product_id: str | None = None
    submission_id: str | None = None
    correlation_id: str | None
    traceparent: str | None
    requested_at: datetime
    error: Error
    status: Status = Status.REJECTED

    def log_fields(self) -> dict[str, object]:
        """What every log record about this message says of it; see `log.event`."""
        return {
            "requestId": self.request_id,
            "publisherId": self.publisher_id,
            "offerId": self.offer_id,
            "productId": self.product_id,
            "submissionId": self.submission_id,
            "correlationId": self.correlation_id,
            "traceparent": self.traceparent,
            "status": self.status.value,
            "code": self.error.code,
        }


def of_record(record: Record, source: str) -> bytes:
    """The event of a final record; `source` where the record names none.

    Raises ValueError for a record that is not final.
    """
    if not record.status.is_final or record.finished_at is None:
        raise ValueError(f"request {record.request_id!r} is {record.status}, not final")

    data = {
        "requestId": record.request_id,
        "publisherId": record.publisher_id,
        "offerId": record.offer_id,
        "productId": record.product_id,
        "submissionId": record.submission_id,
        "status": record.status.value,
        "httpStatus": record.http_status,
        "operationStatus": record.operation_status,
        "operationId": record.operation_id,
        "apiRequestId": record.api_request_id,
        "location": mask_secrets(record.location) if record.location else None,
        "error": _error(record.error),
        "attempts": record.attempts,
        "polls": record.polls,
        "uncertain": record.uncertain or None,
        "requestedAt": rfc3339(record.requested_at),
        "acceptedAt": rfc3339(record.accepted_at) if record.accepted_at else None,
        "finishedAt": rfc3339(record.finished_at),
        "durationSeconds": _seconds(record.requested_at, record.finished_at),
        "correlationId": record.correlation_id,
        "traceparent": record.traceparent,
    }
    event_id = ":".join(
        (record.request_id, rfc3339(record.requested_at), str(record.run), record.status)
    )

    return _event(record.source or source, event_id, record.finished_at, data)


def of_refusal(refusal: Refusal, source: str, now: datetime) -> bytes:
    """The event of a message that holds no valid request.

    Its id comes from the message's text alone: wherever the text turns up again, it is the same
    event.
    """
    digest = hashlib.sha256(refusal.text.encode("utf-8", "surrogatepass")).hexdigest()
    data = {
        "requestId": refusal.request_id,
        "publisherId": refusal.publisher_id,
        "offerId": refusal.offer_id,
        "productId": refusal.product_id,
        "submissionId": refusal.submission_id,
        "status": refusal.status.value,
        "error": _error(refusal.error),
        "attempts": 0,
        "polls": 0,
        "requestedAt": rfc3339(refusal.requested_at),
        "finishedAt": rfc3339(now),
        "durationSeconds": _seconds(refusal.requested_at, now),
        "correlationId": refusal.correlation_id,
        "traceparent": refusal.traceparent,
    }

    return _event(source, f"message:{digest}:{refusal.status}", now, data)


def _event(source: str, event_id: str, time: datetime, data: dict[str, Any]) -> bytes:
    data = {name: value for name, value in data.items() if value is not None}
    attributes = {
        "specversion": "1.0",
        "type": f"OfferCancellation.{data['status'].capitalize()}",
        "source": source,
        "id": event_id,
        "time": time,
        "datacontenttype": "application/json",
    }
    if subject := _subject(data):
        attributes["subject"] = subject
    return JSONFormat().write(CloudEvent(attributes, _shortened(data)))


def _subject(data: dict[str, Any]) -> str | None:
    """What the event is about; None when what names it is invalid."""
    if "publisherId" in data and "offerId" in data:
        return f"publishers/{data['publisherId']}/offers/{data['offerId']}"
    if "productId" in data and "submissionId" in data:
        return f"products/{data['productId']}/submissions/{data['submissionId']}"

    return None


def _shortened(data: dict[str, Any]) -> dict[str, Any]:
    """The data with its longest text cut until all of it fits; escapes count, too.

    That is the error's message, unless a hand has edited the record.
    """
    room = SIZE_LIMIT - 4096  # the attributes: bounded, and far smaller than this
    while len(json.dumps(data)) > room:
        message = data.get("error", {}).get("message", "")
        name = max((n for n in data if isinstance(data[n], str)), key=lambda n: len(data[n]))
        if len(message) >= len(data[name]):
            error = {**data["error"], "message": cut(message, len(message) // 2)}
            data = {**data, "error": error}
        else:
            data = {**data, name: cut(data[name], len(data[name]) // 2)}
    return data


def _error(error: Error | None) -> dict[str, str] | None:
    return {"code": cut(error.code, CODE_LIMIT), "message": error.message} if error else None


def _seconds(start: datetime, end: datetime) -> float:
    return max(0.0, round((end - start).total_seconds(), 3))
