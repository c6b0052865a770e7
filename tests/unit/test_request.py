"""The request: what a message must hold."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from offer_cancellation.envelope import FieldError
from offer_cancellation.request import CancelRequest, InvalidRequest, parse
from offer_cancellation.status import Error
from tests.unit.samples import GUID, TRACE, message_text

FORM = "JSON in UTF-8, as plain text or base64"
IDENTIFIER = "1 to 50 ASCII letters, digits, - and _, with single . between them"
EMAILS = "at most 50 e-mail addresses: an array, or a string with commas between them"
REQUEST_ID = "1 to 128 printable characters"
OPERATION_ID = "a GUID: 8-4-4-4-12 hex digits"
MOMENT = "an RFC 3339 time with offset, such as 2030-01-31T12:00:00Z"
CORRELATION_ID = "at most 128 printable characters"
FIELDS = (
    "only correlationId, expiresAt, notificationEmails, offerId, operationId, productId,"
    " publisherId, requestId, submissionId, traceparent"
)


def _parsed(**fields: Any) -> CancelRequest | InvalidRequest:
    least = {"publisherId": "contoso", "offerId": "contoso-offer"}
    return parse(json.dumps(least | fields), "m1")


def _request(**fields: Any) -> CancelRequest:
    parsed = _parsed(**fields)
    assert isinstance(parsed, CancelRequest)
    return parsed


def _faults(**fields: Any) -> tuple[FieldError, ...]:
    parsed = _parsed(**fields)
    assert isinstance(parsed, InvalidRequest)
    return parsed.faults


def test_all_fields() -> None:
    """A message with every field is a request with every field."""
    expected = {
        "publisher_id": "contoso",
        "offer_id": "contoso-offer",
        "product_id": "",
        "submission_id": "",
        "notification_emails": ["jondoe@contoso.com", "jane@contoso.com"],
        "request_id": "nightly-2030-01-31",
        "operation_id": GUID,
        "expires_at": datetime(2030, 1, 31, 16, 0, tzinfo=UTC),
        "correlation_id": "release 7",
        "traceparent": TRACE,
    }
    parsed = parse(message_text("bare.json"), "m1")
    assert isinstance(parsed, CancelRequest)
    assert expected == parsed.model_dump()


def test_required_fields_alone() -> None:
    """Publisher and offer are enough; the request id is then made of the message's id."""
    expected: dict[str, Any] = {
        "publisher_id": "contoso",
        "offer_id": "contoso-offer",
        "product_id": "",
        "submission_id": "",
        "notification_emails": [],
        "request_id": "msg-m1",
        "operation_id": "",
        "expires_at": None,
        "correlation_id": "",
        "traceparent": None,
    }
    assert expected == _request().model_dump()


@pytest.mark.parametrize("name", ["publisherId", "offerId"])
@pytest.mark.parametrize(
    "value",
    [
        pytest.param("a", id="shortest"),
        pytest.param("a" * 50, id="longest"),
        pytest.param("Az09-_", id="all kinds"),
        pytest.param("a.b-c.d", id="dots between"),
        pytest.param("-_", id="signs alone"),
    ],
)
def test_identifier(name: str, value: str) -> None:
    """Publisher and offer are 1-50 letters, digits, `-`, `_`, and `.` between them."""
    assert value == _request(**{name: value}).model_dump(by_alias=True)[name]


@pytest.mark.parametrize("name", ["publisherId", "offerId"])
@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param("", '""', id="empty"),
        pytest.param("a" * 51, f'"{"a" * 51}"', id="too long"),
        pytest.param(".a", '".a"', id="leading dot"),
        pytest.param("a.", '"a."', id="trailing dot"),
        pytest.param("a..b", '"a..b"', id="dot segment"),
        pytest.param("a/b", '"a/b"', id="slash"),
        pytest.param("a%2Fb", '"a%2Fb"', id="encoded slash"),
        pytest.param("a?b", '"a?b"', id="query"),
        pytest.param("a b", '"a b"', id="space"),
        pytest.param("a\n", '"a\\n"', id="trailing line feed"),
        pytest.param("á", '"\\u00e1"', id="not ASCII"),
        pytest.param("٣", '"\\u0663"', id="a digit, not ASCII"),
        pytest.param(None, "null", id="null"),
        pytest.param(7, "7", id="number"),
        pytest.param(["a"], '["a"]', id="array"),
    ],
)
def test_identifier_fault(name: str, value: object, shown: str) -> None:
    """Anything else is a fault that names the field, the value, and what is allowed."""
    assert (FieldError(name, shown, IDENTIFIER),) == _faults(**{name: value})


@pytest.mark.parametrize("name", ["publisherId", "offerId"])
def test_required(name: str) -> None:
    """Publisher and offer are required."""
    fields = {"publisherId": "contoso", "offerId": "contoso-offer"}
    del fields[name]
    parsed = parse(json.dumps(fields), "m1")
    assert isinstance(parsed, InvalidRequest)
    assert (FieldError(name, "missing", IDENTIFIER),) == parsed.faults


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("a@b.cz", ["a@b.cz"], id="one as a string"),
        pytest.param("a@b.cz, c@d.cz ,e@f.cz", ["a@b.cz", "c@d.cz", "e@f.cz"], id="a string"),
        pytest.param(["a@b.cz", "c@d.cz"], ["a@b.cz", "c@d.cz"], id="an array"),
        pytest.param([], [], id="an empty array"),
        pytest.param(["a@b.cz"] * 50, ["a@b.cz"] * 50, id="fifty"),
        pytest.param("jana@česko.example", ["jana@česko.example"], id="an international domain"),
        pytest.param("a+b@sub.contoso.com", ["a+b@sub.contoso.com"], id="a tag"),
    ],
)
def test_emails(value: object, expected: list[str]) -> None:
    """`notificationEmails` is a comma-separated string or an array of at most 50 addresses."""
    assert expected == _request(notificationEmails=value).notification_emails


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param("", ['""'], id="empty"),
        pytest.param("a@b.cz,", ['""'], id="a comma too many"),
        pytest.param("a@b.cz;c@d.cz", ['"a@b.cz;c@d.cz"'], id="semicolon"),
        pytest.param("nobody, a@b.cz, @x", ['"nobody"', '"@x"'], id="each bad one"),
        pytest.param(["a@b.cz", "Jane <c@d.cz>"], ['"Jane <c@d.cz>"'], id="display name"),
        pytest.param(['"a,b"@c.cz'], ['"\\"a,b\\"@c.cz"'], id="comma in one"),
        pytest.param(["a@localhost"], ['"a@localhost"'], id="no domain"),
        pytest.param(["a@contoso"], ['"a@contoso"'], id="no dot in the domain"),
        pytest.param(["a@b\u3002cz"], ['"a@b\\u3002cz"'], id="another dot in the domain"),
        pytest.param(["a,b@c.cz"], ['"a,b@c.cz"'], id="two in one"),
        pytest.param(["a@b.cz\r\nBcc: c@d.cz"], ['"a@b.cz\\r\\nBcc: c@d.cz"'], id="line feed"),
        pytest.param([7], ["7"], id="number in an array"),
        pytest.param([None], ["null"], id="null in an array"),
        pytest.param(None, ["null"], id="null"),
        pytest.param({"a": "a@b.cz"}, ['{"a": "a@b.cz"}'], id="object"),
        pytest.param(["a@b.cz"] * 51, ["51 addresses"], id="fifty-one"),
    ],
)
def test_emails_fault(value: object, shown: list[str]) -> None:
    """Each address that is none is a fault of its own."""
    expected = tuple(FieldError("notificationEmails", one, EMAILS) for one in shown)
    assert expected == _faults(notificationEmails=value)


@pytest.mark.parametrize("value", ["x", "x" * 128, "a b/č#?\\🐎"])
def test_request_id(value: str) -> None:
    """`requestId` is 1-128 printable characters."""
    assert value == _request(requestId=value).request_id


@pytest.mark.parametrize("value", ["", "x" * 129, "a\nb", "a\u200bb", "\ud800", None, 7])
def test_request_id_fault(value: object) -> None:
    """Any other `requestId` is a fault."""
    shown = json.dumps(value)
    shown = shown if len(shown) <= 80 else shown[:79] + "…"
    assert (FieldError("requestId", shown, REQUEST_ID),) == _faults(requestId=value)


@pytest.mark.parametrize("value", [GUID, GUID.upper()])
def test_operation_id(value: str) -> None:
    """`operationId` is a GUID, in any letter case, and is kept as it was given."""
    assert value == _request(operationId=value).operation_id


@pytest.mark.parametrize(
    "value", ["", "7", f"{{{GUID}}}", GUID.replace("-", ""), GUID + "\n", None]
)
def test_operation_id_fault(value: object) -> None:
    """A guard that is no GUID is a fault: it must not vanish."""
    assert (FieldError("operationId", json.dumps(value), OPERATION_ID),) == _faults(
        operationId=value
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("2030-01-31T12:00:00Z", datetime(2030, 1, 31, 12, tzinfo=UTC), id="UTC"),
        pytest.param("2030-01-31t12:00:00z", datetime(2030, 1, 31, 12, tzinfo=UTC), id="small"),
        pytest.param(
            "2030-01-31T12:00:00.2509+05:30",
            datetime(2030, 1, 31, 6, 30, 0, 250_000, tzinfo=UTC),
            id="fraction and offset",
        ),
        pytest.param(
            "2030-01-31T12:00:00.123456789-00:00",
            datetime(2030, 1, 31, 12, 0, 0, 123_000, tzinfo=UTC),
            id="nanoseconds",
        ),
        pytest.param("0001-01-01T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC), id="long ago"),
    ],
)
def test_expires_at(value: str, expected: datetime) -> None:
    """`expiresAt` is an RFC 3339 time with offset; one that no table can hold is just past."""
    assert expected == _request(expiresAt=value).expires_at


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("2030-01-31T12:00:00", id="no offset"),
        pytest.param("2030-01-31", id="a date"),
        pytest.param("2030-01-31 12:00:00Z", id="a space for the T"),
        pytest.param("2030-02-30T12:00:00Z", id="no such day"),
        pytest.param("2030-01-31T12:00:60Z", id="leap second"),
        pytest.param("2030-01-31T12:00:00+25:00", id="no such offset"),
        pytest.param("9999-12-31T23:59:59-12:00", id="out of range"),
        pytest.param("20300131T120000Z", id="ISO 8601's basic form"),
        pytest.param("٢٠٣٠-01-31T12:00:00Z", id="other digits"),
        pytest.param("tomorrow", id="a word"),
        pytest.param("", id="empty"),
        pytest.param(1_900_000_000, id="seconds since 1970"),
        pytest.param(None, id="null"),
    ],
)
def test_expires_at_fault(value: object) -> None:
    """Any other form of `expiresAt` is a fault: a deadline must not be guessed."""
    assert (FieldError("expiresAt", json.dumps(value), MOMENT),) == _faults(expiresAt=value)


@pytest.mark.parametrize("value", ["", "release 7", "č" * 128])
def test_correlation_id(value: str) -> None:
    """`correlationId` is carried as it is, up to 128 characters."""
    assert value == _request(correlationId=value).correlation_id


@pytest.mark.parametrize("value", ["x" * 129, "a\tb", None, 7])
def test_correlation_id_fault(value: object) -> None:
    """A longer one, or one that is no text, is a fault."""
    shown = json.dumps(value)
    shown = shown if len(shown) <= 80 else shown[:79] + "…"
    assert (FieldError("correlationId", shown, CORRELATION_ID),) == _faults(correlationId=value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(TRACE, TRACE, id="version 00"),
        pytest.param(f"01{TRACE[2:]}-more", f"01{TRACE[2:]}-more", id="a later version"),
        pytest.param(f"{TRACE}-more", None, id="version 00 with more"),
        pytest.param(f"ff{TRACE[2:]}", None, id="version ff"),
        pytest.param(TRACE.upper(), None, id="upper case"),
        pytest.param(f"00-{'0' * 32}-b7ad6b7169203331-01", None, id="no trace id"),
        pytest.param(f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01", None, id="no span id"),
        pytest.param(f"01{TRACE[2:]}-{'x' * 80}", None, id="too long"),
        pytest.param("", None, id="empty"),
        pytest.param(7, None, id="number"),
    ],
)
def test_traceparent(value: object, expected: str | None) -> None:
    """`traceparent` is carried; a malformed one is ignored."""
    assert expected == _request(traceparent=value).traceparent


def test_traceparent_null() -> None:
    """A null is an error that names its field, even where a malformed value is ignored."""
    assert (FieldError("traceparent", "null", "a W3C traceparent"),) == _faults(traceparent=None)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        pytest.param("operationID", "operationID", id="misspelt"),
        pytest.param("OperationId", "OperationId", id="another case"),
        pytest.param("operation_id", "operation_id", id="the attribute's name"),
        pytest.param("operationId ", "operationId ", id="a space"),
        pytest.param("operation\u0406d", "operation\\u0406d", id="a look-alike"),
        pytest.param("\ud800", "\\ud800", id="lone surrogate"),
        pytest.param("", "", id="empty"),
    ],
)
def test_unknown_field(name: str, shown: str) -> None:
    """A misspelt `operationId` must not cancel the wrong operation: it is a fault."""
    assert (FieldError(shown, "an unknown field", FIELDS),) == _faults(**{name: GUID})


def test_doubled_field() -> None:
    """A key given twice is a fault, even with the same value."""
    text = f'{{"publisherId":"c","offerId":"o","operationId":"{GUID}","operationId":"{GUID}"}}'
    parsed = parse(text, "m1")
    assert isinstance(parsed, InvalidRequest)
    expected = FieldError("operationId", "given more than once", "one value per field")
    assert (expected,) == parsed.faults


def test_every_fault_at_once() -> None:
    """An invalid message's error names every fault found."""
    parsed = parse(message_text("many_faults.json"), "m1")
    assert isinstance(parsed, InvalidRequest)
    expected = "; ".join(
        [
            "correlationId is given more than once: allowed is one value per field",
            f'publisherId is "con toso": allowed is {IDENTIFIER}',
            f"offerId is null: allowed is {IDENTIFIER}",
            f'notificationEmails is "nobody": allowed is {EMAILS}',
            f'expiresAt is "tomorrow": allowed is {MOMENT}',
            f"operationID is an unknown field: allowed is {FIELDS}",
        ]
    )
    assert Error("InvalidRequest", expected) == parsed.error


def test_what_is_good_is_kept() -> None:
    """What is good in an invalid message is kept for its event, and nothing else."""
    parsed = parse(message_text("many_faults.json"), "m1")
    assert isinstance(parsed, InvalidRequest)
    kept = (parsed.request_id, parsed.publisher_id, parsed.offer_id)
    assert ("nightly", None, None) == kept
    assert (None, TRACE) == (parsed.correlation_id, parsed.traceparent)


def test_malformed_trace_of_an_invalid_message() -> None:
    """A malformed `traceparent` is ignored in an invalid message, too."""
    parsed = _parsed(offerId=None, traceparent="00-xyz", correlationId="release 7")
    assert isinstance(parsed, InvalidRequest)
    expected = ("msg-m1", "contoso", None, "release 7", None)
    assert expected == (
        parsed.request_id,
        parsed.publisher_id,
        parsed.offer_id,
        parsed.correlation_id,
        parsed.traceparent,
    )


@pytest.mark.parametrize(
    ("text", "error"),
    [
        pytest.param(
            "", FieldError("message", '""', f"{FORM} (this is empty)"), id="empty"
        ),
        pytest.param(
            "{", FieldError("message", '"{"', f"{FORM} (Expecting property name enclosed in double"
                       " quotes at character 1)"), id="cut off",
        ),
        pytest.param(
            "cancel!",
            FieldError("message", '"cancel!"', f"{FORM} (neither JSON, which begins with {{ or [,"
                  " nor base64 of it)"),
            id="neither JSON nor base64",
        ),
        pytest.param(
            "zrušit",
            FieldError("message", '"zru\\u0161it"', f"{FORM} (neither JSON, which begins with {{"
                  " or [, nor base64 of it)"),
            id="not ASCII",
        ),
        pytest.param(
            '{"a": NaN}',
            FieldError("message", '"{\\"a\\": NaN}"', f"{FORM} (NaN is not valid JSON)"),
            id="NaN",
        ),
        pytest.param(
            base64.b64encode(b'{"a": "\xff"}').decode(),
            FieldError("message", '"{\\"a\\": \\"\\ufffd\\"}"', f"{FORM} (byte 7 is not UTF-8)"),
            id="base64 of no UTF-8",
        ),
        pytest.param(
            "[" * 100_000,
            FieldError("message", '"' + "[" * 78 + "…", f"{FORM} (nested too deep)"),
            id="nested too deep",
        ),
    ],
)  # fmt: skip
def test_unreadable(text: str, error: FieldError) -> None:
    """An unreadable message is one fault, with what is known of it: the message's id."""
    assert InvalidRequest(faults=(error,), request_id="msg-m1") == parse(text, "m1")


SECRETS = [
    "Bearer abc.def",
    "eyJhbGci.eyJzdWIi.c2ln",
    "sv=2030&sig=abc%2Fdef",
    base64.b64encode(bytes(range(64))).decode(),
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "name", ["publisherId", "offerId", "requestId", "operationId", "correlationId"]
)
def test_secret_as_an_identifier(name: str, secret: str) -> None:
    """An identifier that looks like a secret is an error, and is not quoted."""
    parsed = _parsed(**{name: secret})
    assert isinstance(parsed, InvalidRequest)

    (fault,) = parsed.faults
    assert name == fault.field
    assert "***" in fault.value
    assert secret[-4:] not in parsed.error.message
    assert secret not in (parsed.request_id, parsed.correlation_id)


def test_secret_is_named() -> None:
    """An identifier of the right form says why it is refused."""
    expected = FieldError("offerId", '"***", which looks like a secret', IDENTIFIER)

    assert (expected,) == _faults(offerId="eyJhbGci.eyJzdWIi.c2ln")


def test_secret_as_a_traceparent() -> None:
    """A `traceparent` whose suffix looks like a secret is ignored like a malformed one."""
    assert _request(traceparent=f"01{TRACE[2:]}-sig=abc").traceparent is None


@pytest.mark.parametrize("sign", "\uff0c\uff1b\uff20\uff0e\uff41\u2100\ufe50\uff1c\u2024")
def test_address_that_turns_into_another(sign: str) -> None:
    """A character that Unicode normalization turns into ASCII could part one address into two."""
    expected = FieldError("notificationEmails", json.dumps(f"a{sign}b@b.cz"), EMAILS)

    assert (expected,) == _faults(notificationEmails=[f"a{sign}b@b.cz"])


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        pytest.param("," * 50, "51 addresses", id="commas"),
        pytest.param("," * 60_000, "60001 addresses", id="nothing but commas"),
        pytest.param([None] * 51, "51 addresses", id="nulls"),
        pytest.param([f"{'a' * 244}@contoso.cz"], f'"{"a" * 78}…', id="a long address"),
        pytest.param([f"a@{'č' * 60}.cz"], f'"a@{chr(92)}u010d'[:79], id="a long domain"),
    ],
)
def test_emails_are_counted_first(value: object, seen: str) -> None:
    """Too many addresses are one error, and one that is too long is not looked at."""
    (fault,) = _faults(notificationEmails=value)

    assert fault.value.startswith(seen)


def test_errors_beyond_the_limit() -> None:
    """At most 50 errors are named, the others are counted; what is wrong is never kept."""
    doubled = ",".join(f'"k{number:02}":1,"k{number:02}":2' for number in range(45))
    parsed = parse(f'{{{doubled},"requestId":"a\\nb","correlationId":"c"}}', "m1")
    assert isinstance(parsed, InvalidRequest)

    assert (50, 43) == (len(parsed.faults), parsed.more)
    assert parsed.error.message.endswith("; and 43 more")
    assert ("msg-m1", "c") == (parsed.request_id, parsed.correlation_id)


def test_long_names_are_cut() -> None:
    """A name is quoted in at most 80 characters."""
    (fault,) = _faults(**{"x" * 1000: 1})

    assert "x" * 79 + "…" == fault.field
