"""A request and its record: the message that puts it back, and an id that is used twice."""

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offer_cancellation.ledger.record import Record
from offer_cancellation.next_step import NextStep, next_step
from offer_cancellation.request import CancelRequest, message_of, parse, request_id_conflict
from offer_cancellation.status import Error, Status
from tests.unit.samples import GUID, NOW, TRACE, moments, record, seconds
from tests.unit.test_request_properties import requests

OTHER = "bd4ad0f6-2185-49fe-80d2-c4ddf77bb2e8"

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
    assert {
        "publisherId": "contoso",
        "offerId": "contoso-offer",
        "requestId": "nightly",
        "expiresAt": "2030-01-31T13:00:00.250Z",
        "notificationEmails": "jane@contoso.com,jon@contoso.com",
        "operationId": GUID,
        "correlationId": "release 7",
        "traceparent": TRACE,
    } == json.loads(message_of(full))


def test_least_message() -> None:
    """What the request did not have, its message has not: a null would be a fault."""
    assert {
        "publisherId": "contoso",
        "offerId": "contoso-offer",
        "requestId": "nightly",
        "expiresAt": "2030-01-31T13:00:00.250Z",
    } == json.loads(message_of(record()))


@given(before=deferred)
def test_message_meets_its_record(before: Record) -> None:
    """A message put back is valid, meets its own record, and goes on with it."""
    request = parse(message_of(before), "another")
    assert isinstance(request, CancelRequest)
    assert (before.request_id, before.deadline) == (request.request_id, request.expires_at)
    assert (before.notification_emails or "") == ",".join(request.notification_emails)
    assert (before.correlation_id or "") == request.correlation_id
    assert before.traceparent == request.traceparent
    assert request_id_conflict(before, request) is None
    assert next_step(before, seconds(1)) in (NextStep.RESUME, NextStep.EXPIRE)


@given(fields=requests, deadline=moments)
def test_every_field_survives(fields: dict[str, Any], deadline: datetime) -> None:
    """A request that is put back has every field that it came with, and its deadline."""
    before = parse(json.dumps(fields), "m1")
    assert isinstance(before, CancelRequest)
    held = record(
        request_id=before.request_id,
        publisher_id=before.publisher_id,
        offer_id=before.offer_id,
        notification_emails=",".join(before.notification_emails) or None,
        operation_id=before.operation_id or None,
        correlation_id=before.correlation_id or None,
        traceparent=before.traceparent,
        deadline=max(deadline, seconds(0)),
    )

    after = parse(message_of(held), "another")

    assert after == before.model_copy(update={"expires_at": held.deadline})


def _request(**fields: str) -> CancelRequest:
    least = {"publisherId": "contoso", "offerId": "contoso-offer", "requestId": "nightly"}
    parsed = parse(json.dumps(least | fields), "m1")
    assert isinstance(parsed, CancelRequest)
    return parsed


@pytest.mark.parametrize(
    ("guard", "fields"),
    [
        pytest.param(None, {}, id="no guard"),
        pytest.param(GUID, {"operationId": GUID}, id="guard"),
        pytest.param(GUID, {"operationId": GUID.upper()}, id="guard in another case"),
        pytest.param(None, {"notificationEmails": "jane@contoso.com"}, id="other addresses"),
        pytest.param(None, {"correlationId": "another"}, id="another correlation"),
    ],
)
def test_same(guard: str | None, fields: dict[str, str]) -> None:
    """The same publisher, offer and guard are the same request, whatever else differs."""
    assert request_id_conflict(record(operation_id=guard), _request(**fields)) is None


@pytest.mark.parametrize(
    ("guard", "fields", "text"),
    [
        pytest.param(
            None, {"publisherId": "fabrikam"}, 'publisherId is "fabrikam": allowed is "contoso"',
            id="publisher",
        ),
        pytest.param(
            None, {"offerId": "other"}, 'offerId is "other": allowed is "contoso-offer"',
            id="offer",
        ),
        pytest.param(
            None, {"operationId": GUID}, f'operationId is "{GUID}": allowed is ""', id="new guard"
        ),
        pytest.param(GUID, {}, f'operationId is "": allowed is "{GUID}"', id="lost guard"),
        pytest.param(
            GUID, {"operationId": OTHER, "offerId": "other"},
            'offerId is "other": allowed is "contoso-offer";'
            f' operationId is "{OTHER}": allowed is "{GUID}"',
            id="offer and guard",
        ),
    ],
)  # fmt: skip
def test_another(guard: str | None, fields: dict[str, str], text: str) -> None:
    """Another publisher, offer or guard is an invalid message, code `RequestIdReused`."""
    expected = Error("RequestIdReused", f'requestId "nightly" belongs to another request: {text}')
    assert expected == request_id_conflict(record(operation_id=guard), _request(**fields))
