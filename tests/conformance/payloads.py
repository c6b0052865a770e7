"""What the host sends to the worker, written down from the host's own conversions.

Texts go as strings, everything else as JSON: a queue message's count as `1`, its times with an
offset; a timer's request as one document.
"""

import json
from datetime import datetime

from azure.storage.queue import QueueMessage

from tests.conformance.protos import TypedData

NEVER = "9999-12-31T23:59:59+00:00"


def queue_metadata(message: QueueMessage) -> dict[str, TypedData]:
    """The trigger metadata of a message received from a queue."""
    assert message.inserted_on
    assert message.expires_on
    assert message.next_visible_on
    return {
        "QueueTrigger": TypedData(string=message.content),
        "DequeueCount": TypedData(json=json.dumps(message.dequeue_count)),
        "ExpirationTime": _time(message.expires_on),
        "Id": TypedData(string=message.id),
        "InsertionTime": _time(message.inserted_on),
        "NextVisibleTime": _time(message.next_visible_on),
        "PopReceipt": TypedData(string=message.pop_receipt),
        "sys": TypedData(json='{"MethodName":"cancel_trigger","UtcNow":"2026-03-02T12:00:00Z"}'),
    }


def timer_request(*, is_past_due: bool = False, is_monitored: bool = False) -> TypedData:
    """A timer's request; a schedule of less than a minute is not monitored and has no status."""
    status = {
        "Last": "2026-03-02T11:59:30.0004711+00:00",
        "LastUpdated": "2026-03-02T11:59:30.0004711+00:00",
        "Next": "2026-03-02T12:00:00+00:00",
    }
    payload = {
        "Schedule": {"AdjustForDST": True},
        "ScheduleStatus": status if is_monitored else None,
        "IsPastDue": is_past_due,
    }
    return TypedData(json=json.dumps(payload))


def _time(moment: datetime) -> TypedData:
    return TypedData(json=f'"{moment:%Y-%m-%dT%H:%M:%S}+00:00"')
