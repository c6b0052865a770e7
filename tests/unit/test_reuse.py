"""One request id for two requests."""

import json

import pytest

from offer_cancellation.request import CancelRequest, parse
from offer_cancellation.reuse import reused
from offer_cancellation.status import Error
from tests.unit.samples import GUID, record

OTHER = "bd4ad0f6-2185-49fe-80d2-c4ddf77bb2e8"


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
    assert reused(record(operation_id=guard), _request(**fields)) is None


@pytest.mark.parametrize(
    ("guard", "fields", "text"),
    [
        pytest.param(
            None, {"publisherId": "fabrikam"}, "publisherId is 'fabrikam': allowed is 'contoso'",
            id="publisher",
        ),
        pytest.param(
            None, {"offerId": "other"}, "offerId is 'other': allowed is 'contoso-offer'",
            id="offer",
        ),
        pytest.param(
            None, {"operationId": GUID}, f"operationId is '{GUID}': allowed is ''", id="new guard"
        ),
        pytest.param(GUID, {}, f"operationId is '': allowed is '{GUID}'", id="lost guard"),
        pytest.param(
            GUID, {"operationId": OTHER, "offerId": "other"},
            "offerId is 'other': allowed is 'contoso-offer';"
            f" operationId is '{OTHER}': allowed is '{GUID}'",
            id="offer and guard",
        ),
    ],
)  # fmt: skip
def test_another(guard: str | None, fields: dict[str, str], text: str) -> None:
    """Another publisher, offer or guard is an invalid message, code `RequestIdReused`."""
    expected = Error("RequestIdReused", f"requestId 'nightly' belongs to another request: {text}")
    assert expected == reused(record(operation_id=guard), _request(**fields))
