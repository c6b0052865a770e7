"""The message that puts a request back on the queue."""

import json

from cancel_trigger.meeting import Meeting, meet
from hypothesis import given
from hypothesis import strategies as st

from offer_cancellation.ledger.record import Record
from offer_cancellation.request import CancelRequest, parse
from offer_cancellation.reuse import reused
from offer_cancellation.status import Status
from poll_timer.message import message_of
from tests.unit.samples import GUID, NOW, TRACE, moments, record, seconds

printables = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=128)
deferred = st.builds(
    record,
    status=st.just(Status.DEFERRED),
    request_id=printables,
    deadline=moments,
    notification_emails=st.none() | st.just("jane@contoso.com,jon@contoso.com"),
    operation_id=st.none() | st.uuids().map(str),
    correlation_id=st.none() | printables,
    traceparent=st.none() | st.just(TRACE),
    next_try_at=st.just(NOW),
)


def test_full_message() -> None:
    """A message put back is complete, with `requestId` and `expiresAt`."""
    full = record(
        notification_emails="jane@contoso.com,jon@contoso.com",
        operation_id=GUID,
        correlation_id="release 7",
        traceparent=TRACE,
    )
    assert json.loads(message_of(full)) == {
        "publisherId": "contoso",
        "offerId": "contoso-offer",
        "requestId": "nightly",
        "expiresAt": "2030-01-31T13:00:00.250Z",
        "notificationEmails": "jane@contoso.com,jon@contoso.com",
        "operationId": GUID,
        "correlationId": "release 7",
        "traceparent": TRACE,
    }


def test_least_message() -> None:
    """What the request did not have, its message has not: a null would be a fault."""
    assert json.loads(message_of(record())) == {
        "publisherId": "contoso",
        "offerId": "contoso-offer",
        "requestId": "nightly",
        "expiresAt": "2030-01-31T13:00:00.250Z",
    }


@given(before=deferred)
def test_message_meets_its_record(before: Record) -> None:
    """A message put back is valid, meets its own record, and takes it over."""
    request = parse(message_of(before), "another")
    assert isinstance(request, CancelRequest)
    assert (before.request_id, before.deadline) == (request.request_id, request.expires_at)
    assert (before.notification_emails or "") == ",".join(request.notification_emails)
    assert (before.correlation_id or "") == request.correlation_id
    assert before.traceparent == request.traceparent
    assert reused(before, request) is None
    assert meet(before, seconds(1)) is Meeting.TAKE_OVER
