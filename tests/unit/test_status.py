"""The words for where a request is, and for how it ends."""

import pytest

from offer_cancellation.status import Status


@pytest.mark.parametrize(
    ("word", "is_final"),
    [
        ("submitting", False),
        ("accepted", False),
        ("deferred", False),
        ("canceled", True),
        ("failed", True),
        ("rejected", True),
        ("expired", True),
    ],
)
def test_is_final(word: str, is_final: bool) -> None:
    """`canceled`, `failed`, `rejected`, `expired` are final."""
    assert is_final is Status(word).is_final


def test_there_is_no_other_status() -> None:
    """The statuses are those of the contract's picture, and no more."""
    words = {"submitting", "accepted", "deferred", "canceled", "failed", "rejected", "expired"}
    assert words == {status.value for status in Status}
