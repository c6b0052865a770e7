"""What a call of the API came to, and how to read it."""

from datetime import datetime, timedelta

import pytest

from offer_cancellation.portal.answer import Answer, Unreadable, error_in, error_of, retry_after
from offer_cancellation.status import Error
from tests.unit.samples import NOW, answer, body_of


@pytest.mark.parametrize(
    ("status", "is_good", "is_definitive"),
    [
        (200, True, False),
        (202, True, False),
        (204, True, False),
        (299, True, False),
        (300, False, True),
        (302, False, True),
        (307, False, True),
        (400, False, True),
        (401, False, False),
        (403, False, True),
        (404, False, True),
        (408, False, False),
        (409, False, True),
        (410, False, True),
        (412, False, True),
        (422, False, True),
        (429, False, False),
        (499, False, True),
        (500, False, False),
        (503, False, False),
        (599, False, False),
    ],
)
def test_statuses(status: int, is_good: bool, is_definitive: bool) -> None:
    """A definitive 4xx is any but 401, 408, 429; a redirect is one, too, as none is followed."""
    given = Answer(status)
    assert (is_good, is_definitive) == (given.is_good, given.is_definitive)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b'{"a": [1]}', {"a": [1]}, id="object"),
        pytest.param(b"null", None, id="null is a value"),
        pytest.param('"č"'.encode("utf-16"), "č", id="UTF-16"),
        pytest.param(b"", Unreadable.BODY, id="nothing"),
        pytest.param(None, Unreadable.BODY, id="too long"),
        pytest.param(b"<html>", Unreadable.BODY, id="HTML"),
        pytest.param(b'"\xff"', Unreadable.BODY, id="no UTF-8"),
        pytest.param(b"[" * 100_000, Unreadable.BODY, id="nested too deep"),
        pytest.param(b"9" * 5000, Unreadable.BODY, id="a number without end"),
    ],
)
def test_json(body: bytes | None, expected: object) -> None:
    """A body that cannot be understood is one value; reading it never raises."""
    assert expected == Answer(200, body=body).json


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("7", 7.0, id="seconds"),
        pytest.param(" 7 ", 7.0, id="blanks around"),
        pytest.param("0007", 7.0, id="leading zeros"),
        pytest.param("00000000000007", 7.0, id="many of them"),
        pytest.param("0", 1.0, id="none: 1 s"),
        pytest.param("3600", 3600.0, id="an hour"),
        pytest.param("3601", 3600.0, id="more: an hour"),
        pytest.param("9" * 5000, 3600.0, id="without end: an hour"),
        pytest.param("Thu, 31 Jan 2030 12:01:00 GMT", 59.75, id="HTTP date"),
        pytest.param("Thursday, 31-Jan-30 12:01:00 GMT", 59.75, id="RFC 850's date"),
        pytest.param("Thu Jan 31 12:01:00 2030", 59.75, id="asctime's date"),
        pytest.param("Thu, 31 Jan 2030 13:01:00 +0100", 59.75, id="an offset"),
        pytest.param("Thu, 31 Jan 2030 12:00:00 GMT", 1.0, id="just past: 1 s"),
        pytest.param("Thu, 01 Jan 1970 00:00:00 GMT", 1.0, id="long past: 1 s"),
        pytest.param("Fri, 01 Feb 2030 12:00:00 GMT", 3600.0, id="tomorrow: an hour"),
        pytest.param("Fri, 31 Dec 9999 23:59:59 GMT", 3600.0, id="the last day: an hour"),
        pytest.param("", None, id="empty"),
        pytest.param("-5", None, id="negative"),
        pytest.param("1.5", None, id="fraction"),
        pytest.param("1e3", None, id="exponent"),
        pytest.param("١٢", None, id="other digits"),
        pytest.param("²", None, id="superscript"),
        pytest.param("7 s", None, id="unit"),
        pytest.param("soon", None, id="word"),
        pytest.param("2030-01-31T12:01:00Z", None, id="RFC 3339"),
        pytest.param("Thu, 32 Jan 2030 12:01:00 GMT", None, id="no such day"),
        pytest.param("Thu, 31 Jan 2030 25:01:00 GMT", None, id="no such hour"),
        pytest.param("Thu, 31 Jan 99999 12:01:00 GMT", None, id="no such year"),
        pytest.param("Thu, 31 Jan 2030 12:01:00 +9999", None, id="no such offset"),
    ],
)
def test_retry_after(text: str, expected: float | None) -> None:
    """Retry-After is seconds or an HTTP date, within 1 s and 1 h; garbage is ignored."""
    assert expected == retry_after({"retry-after": text}, NOW)


def test_no_retry_after() -> None:
    """Without the header nothing is asked for."""
    assert retry_after({}, NOW) is None


@pytest.mark.parametrize(
    ("now", "expected"),
    [(NOW - timedelta(seconds=40), 99.75), (NOW + timedelta(seconds=58), 1.75)],
)
def test_retry_after_depends_on_now(now: datetime, expected: float) -> None:
    """An HTTP date is read against the time that is handed in."""
    assert expected == retry_after({"retry-after": "Thu, 31 Jan 2030 12:01:00 GMT"}, now)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(
            Answer(403, body=body_of("error_forbidden.json")),
            Error("Forbidden", "User does not have the required permissions"),
            id="an object",
        ),
        pytest.param(
            Answer(404, body=body_of("error_bare_string.json")),
            Error("Http404", "Microsoft.Cloud.Portal.OfferNotFoundException"),
            id="a bare string",
        ),
        pytest.param(
            Answer(502, body=body_of("gateway.html")),
            Error("Http502", "502 Bad Gateway 502 - Web server received an invalid response"),
            id="HTML of a gateway",
        ),
        pytest.param(Answer(400), Error("Http400", "HTTP 400 Bad Request"), id="nothing"),
        pytest.param(
            Answer(499, body=None), Error("Http499", "HTTP 499 (no standard status)"), id="too long"
        ),
        pytest.param(
            answer(400, {"code": "Bad", "message": "No."}), Error("Bad", "No."), id="bare object"
        ),
        pytest.param(
            answer(400, {"Code": "Bad", "Message": "No."}), Error("Bad", "No."), id="other case"
        ),
        pytest.param(
            answer(400, {"error": {"code": 17, "message": "No."}}), Error("17", "No."), id="number"
        ),
        pytest.param(answer(400, {"error": "No."}), Error("Http400", "No."), id="error a string"),
        pytest.param(
            answer(400, {"error": {"message": "No."}}), Error("Http400", "No."), id="no code"
        ),
        pytest.param(
            answer(400, {"error": {"code": "Bad"}}),
            Error("Bad", '{"error": {"code": "Bad"}}'),
            id="no message: the body",
        ),
        pytest.param(
            answer(400, {"error": ["No."]}), Error("Http400", '{"error": ["No."]}'), id="an array"
        ),
        pytest.param(answer(400, ["No."]), Error("Http400", '["No."]'), id="body an array"),
        pytest.param(
            answer(400, {"error": {"code": " \n", "message": "\ta\0b "}}),
            Error("Http400", "a b"),
            id="blanks and control characters",
        ),
        pytest.param(
            answer(400, {"error": {"code": "c" * 200, "message": "m" * 7000}}),
            Error("c" * 127 + "…", "m" * 5999 + "…"),
            id="too long",
        ),
        pytest.param(
            Answer(500, body=b"\xff" * 7000), Error("Http500", "\ufffd" * 5999 + "…"), id="binary"
        ),
    ],
)
def test_error_of(given: Answer, expected: Error) -> None:
    """Code and message are the error body's, else `Http<status>` and what there is to read."""
    assert expected == error_of(given)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(None, "", id="none"),
        pytest.param({}, "", id="empty"),
        pytest.param("No.", "No.", id="string"),
        pytest.param({"code": "Bad", "message": "No."}, "Bad: No.", id="both"),
        pytest.param({"code": "Bad"}, "Bad", id="code"),
        pytest.param({"message": "No."}, "No.", id="message"),
        pytest.param(["No."], "", id="array"),
    ],
)
def test_error_in(value: object, expected: str) -> None:
    """An error inside a body is one line of text."""
    assert expected == error_in(value)
