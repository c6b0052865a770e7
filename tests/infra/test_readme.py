"""What README.md shows of a request and of an outcome is what the app reads and sends."""

import json
import re
from datetime import datetime

from offer_cancellation.ledger.record import Record
from offer_cancellation.outcome_event import of_record
from offer_cancellation.request import CancelRequest, parse
from offer_cancellation.status import ErrorCode, Status
from tests.infra.files import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
SAMPLES = [json.loads(text) for text in re.findall(r"(?ms)^```json\n(.*?)^```", README)]
OUTCOME = next(one for one in SAMPLES if one.get("type", "").startswith("OfferCancellation."))


def test_the_outcome_is_one_that_the_app_sends() -> None:
    """A record with the sample's data gives the sample, attribute by attribute."""
    data = OUTCOME["data"]
    record = Record(
        request_id=data["requestId"],
        publisher_id=data["publisherId"],
        offer_id=data["offerId"],
        status=Status(data["status"]),
        requested_at=datetime.fromisoformat(data["requestedAt"]),
        deadline=datetime.fromisoformat(data["requestedAt"]),
        http_status=data["httpStatus"],
        operation_status=data["operationStatus"],
        location=data["location"],
        attempts=data["attempts"],
        polls=data["polls"],
        accepted_at=datetime.fromisoformat(data["acceptedAt"]),
        finished_at=datetime.fromisoformat(data["finishedAt"]),
    )

    assert OUTCOME == json.loads(of_record(record, OUTCOME["source"]))


def test_every_request_is_valid() -> None:
    """Bare or in a CloudEvent, each is one that the app takes."""
    requests = [one for one in SAMPLES if one is not OUTCOME]

    assert [CancelRequest] * 2 == [type(parse(json.dumps(one), "some-id")) for one in requests]


def test_both_forms_of_a_request_are_valid() -> None:
    """The two that stand side by side are a request for an offer, and one for a submission."""
    row = README.partition("| the request |")[2].partition("\n")[0]
    forms = [parse(text, "some-id") for text in re.findall(r"`(\{.*?\})`", row)]

    assert [CancelRequest] * 2 == [type(form) for form in forms]
    named = [
        (bool(form.offer_id), bool(form.submission_id))
        for form in forms
        if isinstance(form, CancelRequest)
    ]
    assert [(True, False), (False, True)] == named


def test_every_status_and_code_of_an_end_is_in_the_table() -> None:
    """What a consumer can meet is told; a code that nothing gives yet is not."""
    table = README.partition("| `status` | means |")[2].partition("\n\n")[0]
    told = set(re.findall(r"`(\w+)`", table))

    final = {status.value for status in Status if status.is_final}
    assert final <= told
    assert {code.value for code in ErrorCode} - {ErrorCode.ABANDONED} <= told
