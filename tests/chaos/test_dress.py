"""What an answer of the simulated portal carries besides what it says."""

from datetime import UTC, datetime

import pytest

from chaos.dress import Dress, draw_dress, dressed
from local.portal.script import Answer

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)
DATE = "Thu, 31 Jan 2030 12:00:00 GMT"
ECHO = " You sent: Authorization: Bearer x"


def test_a_plain_dress_adds_the_date_alone() -> None:
    """By the portal's own clock, whichever that is."""
    answer = dressed(Answer(202, {"a": 1}, {"Location": "/api/x"}), Dress(), "Bearer x", NOW)

    assert {"Location": "/api/x", "Date": DATE} == answer.headers
    assert {"a": 1} == answer.body
    assert () == answer.again


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"error": {"code": "Busy", "message": "No."}},
            {"error": {"code": "Busy", "message": f"No.{ECHO}"}},
        ),
        ({"message": "Cancelled."}, {"message": f"Cancelled.{ECHO}"}),
        ("<html></html>", f"<html></html>{ECHO}"),
        ([{"status": "running"}], [{"status": "running"}]),
        (None, None),
    ],
)
def test_an_echo_quotes_the_token_where_the_body_has_a_text(body: object, expected: object) -> None:
    """Errors, messages, HTML; an operation stays what it is."""
    answer = dressed(Answer(400, body), Dress(echo=True), "Bearer x", NOW)

    assert expected == answer.body


def test_a_doubled_header_has_the_same_value_again() -> None:
    """Location and Retry-After, and no other."""
    answer = Answer(429, headers={"Retry-After": "1", "X-Other": "2"})

    assert (("Retry-After", "1"),) == dressed(answer, Dress(doubled=True), "", NOW).again


def test_dresses_follow_from_the_seed_and_are_of_every_kind() -> None:
    """Cookies that are large, that are not ASCII; echoes; doubled headers."""
    drawn = [draw_dress(1, "offer-001", "cancel", number) for number in range(300)]

    assert drawn == [draw_dress(1, "offer-001", "cancel", number) for number in range(300)]
    assert any(len(dress.cookie) > 4096 for dress in drawn)
    assert any(not dress.cookie.isascii() for dress in drawn)
    assert {True, False} == {dress.echo for dress in drawn}
    assert {True, False} == {dress.doubled for dress in drawn}
