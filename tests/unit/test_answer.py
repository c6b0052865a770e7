"""What a call of the API came to, and how to read it."""

from datetime import datetime, timedelta

import pytest

from offer_cancellation.portal.answer import (
    Answer,
    Unreadable,
    error_in,
    error_of,
    is_error,
    retry_after,
)
from offer_cancellation.status import Error
from tests.unit.samples import NOW, answer, body_of, seconds


@pytest.mark.parametrize(
    ("status", "is_success", "is_definitive"),
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
def test_statuses(status: int, is_success: bool, is_definitive: bool) -> None:
    """A definitive 4xx is any but 401, 408, 429; a redirect is one, too, as none is followed."""
    given = Answer(status)
    assert (is_success, is_definitive) == (given.is_success, given.is_definitive)


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
        pytest.param("1.5", 2.0, id="a fraction: rounded up"),
        pytest.param("120.5", 121.0, id="a larger one"),
        pytest.param("0.2", 1.0, id="a small one"),
        pytest.param("3599.0001", 3600.0, id="nearly an hour"),
        pytest.param("7, 7", 7.0, id="given twice"),
        pytest.param("1.5,1.5,1.5", 2.0, id="given thrice"),
        pytest.param("7, 8", None, id="two different ones"),
        pytest.param(", ".join(["Thu, 31 Jan 2030 12:01:00 GMT"] * 2), 59.75, id="a date twice"),
        pytest.param("1.", None, id="half a fraction"),
        pytest.param(".5", None, id="a fraction alone"),
        pytest.param("1,5", None, id="a comma"),
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


INNER = {"code": "Deep", "message": "Because.", "innererror": {"code": "Deeper"}}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(
            {"error": {"code": "Bad", "message": "No.",
                       "details": [{"code": "OfferBusy", "message": "It runs."}, {"code": "X"}]}},
            Error("Bad", "No.; OfferBusy: It runs.; X"), id="details",
        ),
        pytest.param(
            {"error": {"code": "Bad", "message": "No.", "innererror": INNER}},
            Error("Bad", "No.; Deep: Because.; Deeper"), id="inner errors",
        ),
        pytest.param(
            {"error": {"code": "Bad", "innerError": {"message": "Because."}}},
            Error("Bad", "Because."), id="no message of its own",
        ),
        pytest.param(
            {"error": "invalid_client", "error_description": "AADSTS7000215: wrong."},
            Error("Http400", "invalid_client; AADSTS7000215: wrong."), id="a description",
        ),
        pytest.param(
            {"Message": "Invalid.", "ModelState": {"offer.id": ["Too long.", "Odd."], "": ["X"]}},
            Error("Http400", "Invalid.; offer.id: Too long.; offer.id: Odd.; X"), id="ModelState",
        ),
        pytest.param(
            {"Message": "An error has occurred.", "ExceptionMessage": "Null.",
             "InnerException": {"Message": "Deep.", "ExceptionMessage": "Deeper."}},
            Error("Http400", "An error has occurred.; Null.; Deep.; Deeper."), id="an exception",
        ),
        pytest.param(
            {"title": "Invalid.", "detail": "See errors.", "errors": {"id": ["Required."]}},
            Error("Http400", "See errors.; Invalid.; id: Required."), id="problem details",
        ),
        pytest.param(
            {"odata.error": {"code": "Bad", "message": {"lang": "en", "value": "No."}}},
            Error("Bad", "No."), id="OData",
        ),
        pytest.param([{"error": {"code": "Bad", "message": "No."}}], Error("Bad", "No."),
                     id="an array of one"),
        pytest.param(
            {"error": {"code": "Bad", "message": "No.", "details": [{"message": "No."}]}},
            Error("Bad", "No."), id="said twice",
        ),
        pytest.param(
            {"error": {"code": "Bad", "message": "Authorization: Bearer abc",
                       "details": [{"message": "?sig=abc"}]}},
            Error("Bad", "Authorization: Bearer ***; ?sig=***"), id="secrets",
        ),
    ],
)  # fmt: skip
def test_all_that_an_error_says(body: object, expected: Error) -> None:
    """Details, inner errors and descriptions follow the message."""
    assert expected == error_of(answer(400, body))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param([[[[[[[["deep"]]]]]]]], id="lists"),
        pytest.param({"a": {"b": {"c": {"d": {"e": {"f": {"g": ["deep"]}}}}}}}, id="objects"),
        pytest.param([[{"message": "m"}] * 100] * 100, id="many"),
    ],
)
def test_hostile_details(body: object) -> None:
    """However deep and wide the details are, the message is found and bounded."""
    error = error_of(answer(400, {"error": {"code": "Bad", "message": "No.", "details": body}}))
    assert "Bad" == error.code
    assert error.message.startswith("No.")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"error": {"code": "Bad"}}, True),
        ({"error": "No."}, True),
        ({"Error": {"code": "Bad"}}, True),
        ({"code": "Bad", "message": "No."}, True),
        ([{"error": {"code": "Bad"}}], True),
        ({"error": None}, False),
        ({"error": {}, "id": 1}, False),
        ({"message": "Done."}, False),
        ({"code": "ok"}, False),
        ({}, False),
        ([], False),
        ("error", False),
        (None, False),
        (Unreadable.BODY, False),
    ],
)
def test_is_error(body: object, expected: bool) -> None:
    """A body is an error when it has an `error`, or a code and a message."""
    assert expected is is_error(body)


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        pytest.param("Thu, 31 Jan 2030 12:00:00 GMT", 0.0, id="the same second"),
        pytest.param("Thu, 31 Jan 2030 11:59:59 GMT", 1.25, id="more than a second before"),
        pytest.param("Thu, 31 Jan 2030 11:59:50 GMT", 10.25, id="behind"),
        pytest.param("Thu, 31 Jan 2030 12:00:03 GMT", 0.0, id="less than a second after"),
        pytest.param("Thu, 31 Jan 2030 12:00:04 GMT", -1.75, id="ahead"),
        pytest.param("Thu, 31 Jan 2030 12:00:04 GMT, Thu, 31 Jan 2030 12:00:04 GMT", -1.75,
                     id="given twice"),
        pytest.param("soon", 0.0, id="unreadable"),
        pytest.param("", 0.0, id="empty"),
    ],
)  # fmt: skip
def test_clock_offset(date: str, expected: float) -> None:
    """The API's clock is off by what its `Date` lies outside the exchange, beyond a second."""
    given = Answer(200, {"date": date}, sent_at=NOW, received_at=seconds(2))
    assert expected == given.clock_offset
    assert Answer(200, {"date": date}).clock_offset == 0


@pytest.mark.parametrize(
    ("given", "is_empty"),
    [(b"", True), (b" \r\n", True), (b"{}", False), (None, False)],
)
def test_is_empty(given: bytes | None, is_empty: bool) -> None:
    """A blank body is empty; one that broke off is not known to be."""
    assert is_empty is Answer(200, body=given).is_empty
