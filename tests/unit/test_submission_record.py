"""The record of a submission's request: its columns, and what makes its row unreadable."""

from dataclasses import replace
from typing import Any

import pytest
from azure.data.tables import EdmType, EntityProperty

from offer_cancellation.errors import UnreadableRecordError
from offer_cancellation.ledger import entity
from tests.unit.samples import NOW, record

SUBMISSION = "1152921504606846977"
HELD = replace(
    record(product_id="product-1", submission_id=SUBMISSION),
    publisher_id=None,
    offer_id=None,
    api_request_id="request-1",
    submitted_seen_at=NOW,
)
ROW = entity.to_row(HELD, "w1")


def test_columns() -> None:
    """Product, submission, the API's id and the sight of `Submitted` have columns of their own."""
    expected = {
        "ProductId": "product-1",
        "SubmissionId": SUBMISSION,
        "ApiRequestId": "request-1",
        "SubmittedSeenAt": NOW,
    }

    assert expected == {name: ROW[name] for name in expected}
    assert {"PublisherId", "OfferId"}.isdisjoint(ROW)


def test_a_number_as_int64() -> None:
    """A tool may save the digits as an Int64: none of them gets lost."""
    row = ROW | {"SubmissionId": EntityProperty(int(SUBMISSION), EdmType.INT64)}

    assert SUBMISSION == entity.from_row(row, "e1").submission_id


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        pytest.param({"SubmissionId": None}, "SubmissionId", id="no submission"),
        pytest.param({"ProductId": None}, "ProductId", id="no product"),
        pytest.param({"SubmissionId": ""}, "SubmissionId", id="an empty one"),
        pytest.param({"SubmissionId": float(SUBMISSION)}, "SubmissionId", id="lost digits"),
        pytest.param({"SubmissionId": "12a"}, "SubmissionId", id="not digits"),
        pytest.param({"SubmissionId": "1" * 33}, "SubmissionId", id="too long"),
        pytest.param({"SubmissionId": "1\n"}, "SubmissionId", id="a line break"),
        pytest.param({"SubmissionId": "\u0661"}, "SubmissionId", id="other digits"),
        pytest.param({"ProductId": ".."}, "ProductId", id="dots"),
        pytest.param({"ProductId": "a/b/c/d"}, "ProductId", id="several segments"),
        pytest.param({"ProductId": "short"}, "ProductId", id="too short"),
        pytest.param({"ProductId": "p" * 37}, "ProductId", id="too long a product"),
        pytest.param({"PublisherId": "contoso"}, "PublisherId", id="an offer's field"),
        pytest.param({"OfferId": "", "ProductId": "?"}, "OfferId, ProductId", id="several"),
        pytest.param(
            {"ProductId": None, "SubmissionId": None}, "OfferId, PublisherId", id="no target"
        ),
        pytest.param(
            {"ProductId": None, "SubmissionId": None, "PublisherId": "contoso", "OfferId": "a/b"},
            "OfferId",
            id="an offer that is no segment",
        ),
        pytest.param(
            {"ProductId": None, "SubmissionId": None, "PublisherId": "..", "OfferId": "offer"},
            "PublisherId",
            id="a publisher of dots",
        ),
    ],
)
def test_unreadable_target(changes: dict[str, Any], wrong: str) -> None:
    """A row that does not name one offer or one submission is never acted on."""
    row = {name: value for name, value in (ROW | changes).items() if value is not None}

    with pytest.raises(UnreadableRecordError) as caught:
        entity.from_row(row, "e1")

    assert str(caught.value).endswith(f": missing or wrong {wrong}")
