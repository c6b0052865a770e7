"""The four shapes in which the submission API words an error: code and message come out of each."""

import json

import pytest

from offer_cancellation.portal.answer import Answer, error_of
from offer_cancellation.status import Error

FAULT = {"faultCode": "NotAllowed", "message": "the submission is being published"}
PROBLEM = {
    "title": "One or more validation errors occurred.",
    "status": 400,
    "errors": {"x-ms-publisherId": ["a required header"]},
}
OBJECT = {
    "code": "ConflictingState",
    "message": "cannot be cancelled",
    "source": "Ingestion Api",
    "target": "submission",
    "details": [{"code": "Detail", "message": "already promoted"}],
}


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        pytest.param(
            json.dumps(f"ICH50400 - request failed {json.dumps(FAULT)}"),
            "ICH50400",
            "ICH50400 - request failed; the submission is being published",
            id="a string: code, then JSON",
        ),
        pytest.param(
            json.dumps(f"request failed: {json.dumps(FAULT)} at once"),
            "NotAllowed",
            "request failed; the submission is being published",
            id="a string: the code in its JSON",
        ),
        pytest.param(
            json.dumps(f"ICH50400 - it failed {json.dumps(FAULT)[:-3]}"),
            "ICH50400",
            f"ICH50400 - it failed {json.dumps(FAULT)[:-3]}",
            id="a string: its JSON cut off",
        ),
        pytest.param(
            json.dumps(
                f"Contoso.RestClientException: ICH50400 - GetProduct\n{json.dumps(PROBLEM)}"
            ),
            "ICH50400",
            "Contoso.RestClientException: ICH50400 - GetProduct;"
            " One or more validation errors occurred.; x-ms-publisherId: a required header",
            id="an exception's name in front",
        ),
        pytest.param(
            json.dumps(f"RestClientException: GetProduct\n{json.dumps(PROBLEM)}"),
            "Http400",
            "RestClientException: GetProduct;"
            " One or more validation errors occurred.; x-ms-publisherId: a required header",
            id="an exception's name and no code",
        ),
        pytest.param(
            json.dumps(OBJECT),
            "ConflictingState",
            "cannot be cancelled; Detail: already promoted",
            id="an object",
        ),
        pytest.param("Resource not found.", "Http400", "Resource not found.", id="plain text"),
        pytest.param(
            "ICH50404 - not found", "ICH50404", "ICH50404 - not found", id="plain text with a code"
        ),
        pytest.param('"{"', "Http400", "{", id="a lone bracket"),
        pytest.param('"ICH50400"', "ICH50400", "ICH50400", id="a code alone"),
        pytest.param('""', "Http400", '""', id="an empty string"),
    ],
)
def test_shapes(body: str, code: str, message: str) -> None:
    """Code and message, whichever shape it is."""
    assert Error(code, message) == error_of(Answer(400, body=body.encode()))


def test_nested_without_end() -> None:
    """A string whose JSON is nested too deep is a message all the same."""
    text = "failed " + '{"a":' * 100_000

    assert "Http400" == error_of(Answer(400, body=json.dumps(text).encode())).code


def test_no_secret() -> None:
    """A token in the JSON of a string is masked."""
    text = f"ICH50400 - failed {json.dumps({'message': 'Bearer abc.def.ghi was refused'})}"

    assert "abc.def" not in error_of(Answer(400, body=json.dumps(text).encode())).message
