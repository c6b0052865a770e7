"""A request for a submission: its form, its faults, its way back onto the queue, its events."""

import json
from dataclasses import replace
from typing import Any

import pytest

from offer_cancellation import transitions
from offer_cancellation.envelope import FieldError
from offer_cancellation.ledger.record import Record
from offer_cancellation.outcome_event import Refusal, of_record, of_refusal
from offer_cancellation.request import (
    CancelRequest,
    InvalidRequest,
    message_of,
    parse,
    request_id_conflict,
    setting_conflict,
)
from offer_cancellation.settings import load
from offer_cancellation.status import Ending, Error, Status
from tests.unit.samples import GUID, NOW, record

SUBMISSION = "1152921504606846977"
FIELDS = {"productId": "product-1", "submissionId": SUBMISSION}
PRODUCT_RULE = "6 to 36 ASCII letters, digits and -"
SUBMISSION_RULE = "a string of 1 to 32 digits"
EITHER = "either publisherId and offerId, or productId and submissionId"
WITH_OFFER = "this field with publisherId and offerId only"
HELD = replace(
    record(product_id="product-1", submission_id=SUBMISSION), publisher_id=None, offer_id=None
)


def _request(**fields: Any) -> CancelRequest:
    parsed = parse(json.dumps({**FIELDS, "requestId": "nightly", **fields}), "m1")
    assert isinstance(parsed, CancelRequest)
    return parsed


def _faults(fields: dict[str, Any]) -> tuple[FieldError, ...]:
    parsed = parse(json.dumps(fields), "m1")
    assert isinstance(parsed, InvalidRequest)
    return parsed.faults


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("productId", "abcdef"),
        ("productId", "A-" * 18),
        ("submissionId", "1"),
        ("submissionId", "9" * 32),
    ],
)
def test_valid(name: str, value: str) -> None:
    """6 to 36 letters, digits and hyphens; 1 to 32 digits."""
    assert value == _request(**{name: value}).model_dump(by_alias=True)[name]


@pytest.mark.parametrize(
    "value", ["", "abcde", "a" * 37, "product_1", "a/bcdef", "prod.uct", "čččččč"]
)
def test_not_a_product(value: str) -> None:
    """Anything else is named with what is allowed."""
    (fault,) = _faults({**FIELDS, "productId": value})

    assert ("productId", PRODUCT_RULE) == (fault.field, fault.allowed)


@pytest.mark.parametrize("value", ["", "1" * 33, "12a", " 1", "1\n", "-1", "\u0661", "1.0"])
def test_not_a_submission(value: str) -> None:
    """Digits alone: what else it is would be another URL."""
    (fault,) = _faults({**FIELDS, "submissionId": value})

    assert ("submissionId", SUBMISSION_RULE) == (fault.field, fault.allowed)


@pytest.mark.parametrize("number", ["1152921504606846977", "1.1529215046068470e18", "7"])
def test_a_number_is_refused(number: str) -> None:
    """With the reason: JSON numbers of that size lose digits on their way."""
    parsed = parse(f'{{"productId": "product-1", "submissionId": {number}}}', "m1")

    assert isinstance(parsed, InvalidRequest)
    assert "loses digits, send a string" in parsed.error.message
    assert parsed.submission_id is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param(
            {"productId": "product-1"}, [("submissionId", "missing", SUBMISSION_RULE)], id="half"
        ),
        pytest.param(
            {"submissionId": SUBMISSION}, [("productId", "missing", PRODUCT_RULE)], id="other half"
        ),
        pytest.param(
            {**FIELDS, "offerId": "offer"},
            [
                ("productId", "given together with offerId", EITHER),
                ("submissionId", "given together with offerId", EITHER),
            ],
            id="mixed",
        ),
        pytest.param(
            {"publisherId": "contoso", "offerId": "offer", "submissionId": SUBMISSION},
            [("submissionId", "given together with publisherId, offerId", EITHER)],
            id="mixed the other way",
        ),
        pytest.param(
            {**FIELDS, "operationId": GUID},
            [("operationId", "given together with productId, submissionId", WITH_OFFER)],
            id="a guard",
        ),
        pytest.param(
            {"productId": "product-1", "notificationEmails": []},
            [
                ("submissionId", "missing", SUBMISSION_RULE),
                ("notificationEmails", "given together with productId", WITH_OFFER),
            ],
            id="addresses",
        ),
    ],
)
def test_form(fields: dict[str, Any], expected: list[tuple[str, str, str]]) -> None:
    """A request has one of two forms, whole: what is mixed is named with what it is mixed with."""
    assert tuple(FieldError(*fault) for fault in expected) == _faults(fields)


def test_put_back() -> None:
    """The message that goes back to the queue has both fields, and is valid."""
    request = parse(message_of(HELD), "another")

    assert isinstance(request, CancelRequest)
    assert ("product-1", SUBMISSION) == (request.product_id, request.submission_id)
    assert request_id_conflict(HELD, request) is None


@pytest.mark.parametrize(
    ("held", "fields", "named"),
    [
        (HELD, {"productId": "product-2"}, 'productId is "product-2": allowed is "product-1"'),
        (HELD, {"submissionId": "7"}, f'submissionId is "7": allowed is "{SUBMISSION}"'),
        (record(), {}, f'submissionId is "{SUBMISSION}": allowed is ""'),
    ],
)
def test_request_id_reused(held: Record, fields: dict[str, str], named: str) -> None:
    """The same id for another product or submission, or for an offer, is another request."""
    found = request_id_conflict(held, _request(**fields))

    assert found is not None
    assert "RequestIdReused" == found.code
    assert named in found.message


def test_the_setting() -> None:
    """Off, such a request is invalid, and the message names the setting; an offer's is not."""
    storage = {"CANCEL_STORAGE": "UseDevelopmentStorage=true"}
    off, on = load(storage), load({**storage, "SUBMISSION_API": "on"})
    offer = parse('{"publisherId": "contoso", "offerId": "offer"}', "m1")
    assert isinstance(offer, CancelRequest)

    found = setting_conflict(_request(), off)

    assert found is not None
    assert ("InvalidRequest", True) == (found.code, "SUBMISSION_API" in found.message)
    assert setting_conflict(_request(), on) is None
    assert setting_conflict(offer, off) is None


def test_event() -> None:
    """Its subject is the submission, and its data names it, and the API's id of the last answer."""
    ending = Ending(Status.CANCELED, http_status=204, api_request_id="request-1")
    event = json.loads(of_record(transitions.finished(HELD, NOW, ending), "/a"))
    data = event["data"]

    assert f"products/product-1/submissions/{SUBMISSION}" == event["subject"]
    assert ("product-1", SUBMISSION, "request-1") == (
        data["productId"],
        data["submissionId"],
        data["apiRequestId"],
    )
    assert {"publisherId", "offerId"}.isdisjoint(data)


def test_event_of_the_first_generation() -> None:
    """The API's id is there for an offer, too."""
    ending = Ending(Status.CANCELED, api_request_id="request-1")
    data = json.loads(of_record(transitions.finished(record(), NOW, ending), "/a"))["data"]

    assert "request-1" == data["apiRequestId"]
    assert {"productId", "submissionId"}.isdisjoint(data)


@pytest.mark.parametrize(
    ("names", "subject"),
    [
        (("product-1", SUBMISSION), f"products/product-1/submissions/{SUBMISSION}"),
        (("product-1", None), None),
        ((None, SUBMISSION), None),
    ],
)
def test_event_of_a_refusal(names: tuple[str | None, str | None], subject: str | None) -> None:
    """Without a subject where what names it is invalid."""
    refusal = Refusal(
        text="{}",
        request_id="nightly",
        publisher_id=None,
        offer_id=None,
        product_id=names[0],
        submission_id=names[1],
        correlation_id=None,
        traceparent=None,
        requested_at=NOW,
        error=Error("InvalidRequest", "why"),
    )

    event = json.loads(of_refusal(refusal, "/a", NOW))

    assert subject == event.get("subject")
    assert names == (event["data"].get("productId"), event["data"].get("submissionId"))
