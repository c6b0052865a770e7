"""Which messages the host cannot hand over."""

import pytest

from poll_timer.poison import cannot_be_delivered


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('{"dequeueCount": "many"}', True, id="a count that is none"),
        pytest.param('{"DequeueCount": null}', True, id="no count, in another case"),
        pytest.param('{"dequeueCount": 3}', False, id="a count"),
        pytest.param('{"insertionTime": "2030-01-31T12:00:00Z"}', True, id="a time"),
        pytest.param('{"nextVisibleTime": "soon"}', True, id="no time"),
        pytest.param('{"offerId": "an-offer"}', False, id="nothing of the kind"),
        pytest.param('[{"dequeueCount": "many"}]', False, id="within an array"),
        pytest.param("eyJkZXF1ZXVlQ291bnQiOiAibWFueSJ9", False, id="in base64"),
        pytest.param("[" * 100_000, False, id="too deep"),
    ],
)
def test_cannot_be_delivered(text: str, expected: bool) -> None:
    """Only plain JSON whose own properties hide the queue's, and cannot be decoded."""
    assert expected == cannot_be_delivered(text)
