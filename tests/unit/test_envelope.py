"""A queue message's text: plain or base64, bare or in a CloudEvent."""

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from offer_cancellation.envelope import Envelope, FieldError, open_message, quoted
from tests.unit.samples import TRACE, message_text

FORM = "JSON in UTF-8, as plain text or base64"
DELIVER = "deliver CloudEvents 1.0 in JSON, structured, with the request in `data`"
EVENT: dict[str, Any] = json.loads(message_text("cloud_event.json"))
FIELDS = {"publisherId": "contoso", "offerId": "contoso-offer"}


def _id(source: str, event_id: str) -> str:
    return "ce-" + hashlib.sha256(f"{source}\0{event_id}".encode()).hexdigest()


OPENED = Envelope(
    {**FIELDS, "traceparent": TRACE}, (), _id("/release-pipelines/7", "A234-1234-1234")
)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(json.dumps(FIELDS), id="plain"),
        pytest.param(f" \t\r\n{json.dumps(FIELDS)}\n", id="blanks around"),
        pytest.param(f"\ufeff{json.dumps(FIELDS)}", id="byte order mark"),
        pytest.param(_base64(json.dumps(FIELDS)), id="base64"),
        pytest.param(f"\n{_base64(json.dumps(FIELDS))}\n", id="base64, blanks around"),
        pytest.param(base64.encodebytes(json.dumps(FIELDS).encode()).decode(), id="base64 lines"),
        pytest.param(_base64(f"\ufeff{json.dumps(FIELDS)}\n"), id="base64 of a byte order mark"),
    ],
)
def test_either_encoding(text: str) -> None:
    """A message is read as plain text or base64, whatever the producer's SDK does."""
    assert Envelope(FIELDS) == open_message(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(message_text("cloud_event.json"), id="plain"),
        pytest.param(_base64(message_text("cloud_event.json")), id="base64"),
        pytest.param(json.dumps([EVENT]), id="array of one"),
        pytest.param(_base64(json.dumps([EVENT])), id="base64 of an array"),
    ],
)
def test_cloud_event(text: str) -> None:
    """A CloudEvent's `data` are the fields, its `traceparent` is used, the rest is ignored."""
    assert OPENED == open_message(text)


def test_request_id_of_a_cloud_event() -> None:
    """The request id is `ce-` and the SHA-256 of the source, NUL, the id."""
    expected = "ce-597db6127fbb71161b2092a38a953c45fbaf1adf4e1391b07172faf1dfbea3e9"
    assert expected == OPENED.request_id


@pytest.mark.parametrize(
    ("source", "event_id", "hashed"),
    [
        pytest.param("a", "bc", b"a\0bc", id="a bc"),
        pytest.param("ab", "c", b"ab\0c", id="ab c"),
        pytest.param("\ud800", "1", b"\xed\xa0\x80\x001", id="lone surrogate"),
    ],
)
def test_request_ids_differ(source: str, event_id: str, hashed: bytes) -> None:
    """Two events never share a request id, whatever their source and id hold."""
    event = {**EVENT, "source": source, "id": event_id}
    expected = f"ce-{hashlib.sha256(hashed).hexdigest()}"
    assert expected == open_message(json.dumps(event)).request_id


def test_traceparent_of_data() -> None:
    """Without one in the envelope, the data's own `traceparent` stays."""
    event = {name: value for name, value in EVENT.items() if name != "traceparent"}
    event["data"] = {**FIELDS, "traceparent": "own"}
    assert {**FIELDS, "traceparent": "own"} == open_message(json.dumps(event)).fields


def test_traceparent_of_envelope_wins() -> None:
    """The envelope's `traceparent` is used where both have one."""
    event = {**EVENT, "data": {**FIELDS, "traceparent": "own"}}
    assert {**FIELDS, "traceparent": TRACE} == open_message(json.dumps(event)).fields


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        pytest.param({"id": ""}, FieldError("id", '""', "a non-empty string"), id="id empty"),
        pytest.param({"id": None}, FieldError("id", "null", "a non-empty string"), id="id null"),
        pytest.param({"source": 7}, FieldError("source", "7", "a non-empty string"), id="source"),
        pytest.param({"type": ""}, FieldError("type", '""', "a non-empty string"), id="type"),
        pytest.param(
            {"specversion": "0.3"}, FieldError("specversion", '"0.3"', '"1.0"'), id="older version"
        ),
        pytest.param(
            {"specversion": 1.0}, FieldError("specversion", "1.0", '"1.0"'), id="a number"
        ),
    ],
)
def test_cloud_event_fault(changes: dict[str, Any], error: FieldError) -> None:
    """A CloudEvent that is none gives no request id; its data are read all the same."""
    expected = Envelope({**FIELDS, "traceparent": TRACE}, (error,))
    assert expected == open_message(json.dumps({**EVENT, **changes}))


@pytest.mark.parametrize("data", [None, "text", [FIELDS], 7])
def test_cloud_event_data_fault(data: object) -> None:
    """The data of a CloudEvent must be an object."""
    error = FieldError("data", json.dumps(data), "an object: the request")
    expected = Envelope({"traceparent": TRACE}, (error,))
    assert expected == open_message(json.dumps({**EVENT, "data": data}))


def test_cloud_event_without_anything() -> None:
    """Every attribute that is missing is named at once."""
    errors = (
        FieldError("id", "null", "a non-empty string"),
        FieldError("source", "null", "a non-empty string"),
        FieldError("type", "null", "a non-empty string"),
        FieldError("data", "null", "an object: the request"),
    )
    assert Envelope({}, errors) == open_message('{"specversion": "1.0"}')


def test_data_base64() -> None:
    """`data_base64` is refused with a message that says to deliver CloudEvents."""
    event = {name: value for name, value in EVENT.items() if name not in ("data", "traceparent")}
    event["data_base64"] = _base64(json.dumps(FIELDS))
    expected = Envelope({}, (FieldError("data_base64", "given", DELIVER),))
    assert expected == open_message(json.dumps(event))


def test_event_grid() -> None:
    """Event Grid's own schema is refused with a message that says to deliver CloudEvents."""
    expected = Envelope(errors=(FieldError("message", "an event in Event Grid's schema", DELIVER),))
    assert expected == open_message(message_text("event_grid.json"))


@pytest.mark.parametrize("name", ["eventType", "eventTime", "dataVersion"])
def test_event_grid_by_any_sign(name: str) -> None:
    """Each of the attributes that only Event Grid's schema has is enough to say so."""
    expected = Envelope(errors=(FieldError("message", "an event in Event Grid's schema", DELIVER),))
    assert expected == open_message(json.dumps({**FIELDS, name: "1"}))


def test_base64_is_strict() -> None:
    """Signs that base64 has not are not passed over: what was meant is not guessed."""
    text = f"!{_base64(json.dumps(FIELDS))}"
    why = f"{FORM} (neither JSON, which begins with {{ or [, nor base64 of it)"
    assert Envelope(errors=(FieldError("message", quoted(text), why),)) == open_message(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[]", id="empty"),
        pytest.param("[1]", id="a number"),
        pytest.param(json.dumps([FIELDS]), id="a bare request"),
        pytest.param(json.dumps([EVENT, EVENT]), id="two events"),
    ],
)
def test_array(text: str) -> None:
    """An array is a CloudEvent's or nothing, and holds one."""
    allowed = f"an object, or an array of one CloudEvent; {DELIVER}"
    expected = Envelope(errors=(FieldError("message", quoted(json.loads(text)), allowed),))
    assert expected == open_message(text)


@pytest.mark.parametrize("value", ["text", 7, None, True])
def test_no_object(value: object) -> None:
    """Base64 of JSON that is no object is no request."""
    expected = Envelope(errors=(FieldError("message", json.dumps(value), "a JSON object"),))
    assert expected == open_message(_base64(json.dumps(value)))


def test_doubled_keys_anywhere() -> None:
    """A key given twice is named, in the envelope and in the data, each once and in order."""
    head = '{"specversion":"1.0","id":"1","id":"1","source":"/s","type":"t","data":'
    text = head + '{"x":1,"x":2,"x":3}}'

    expected = Envelope({"x": 3}, (), _id("/s", "1"), ("id", "x"))
    assert expected == open_message(text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("č", '"\\u010d"', id="ASCII"),
        pytest.param("x" * 100, '"' + "x" * 78 + "…", id="cut"),
        pytest.param({1, 2}, "a value nested too deep to quote", id="no JSON"),
    ],
)
def test_quoted(value: object, expected: str) -> None:
    """A value is quoted as JSON, in ASCII and short."""
    assert expected == quoted(value)


TEXT = json.dumps(FIELDS)
BEGINNING = quoted(TEXT)
UTF_16 = "this is UTF-16: encode it in UTF-8, in PowerShell with [Text.Encoding]::UTF8.GetBytes"
UTF_32 = "this is UTF-32: encode it in UTF-8"
NEITHER = "neither JSON, which begins with { or [, nor base64 of it"


def _encoded(body: bytes) -> str:
    return base64.b64encode(body).decode()


@pytest.mark.parametrize("size", range(3))
@pytest.mark.parametrize(
    "encode", [base64.b64encode, base64.urlsafe_b64encode], ids=["base64", "base64url"]
)
def test_base64_of_any_kind(encode: Callable[[bytes], bytes], size: int) -> None:
    """Missing padding and the URL-safe alphabet leave no doubt: they are read."""
    fields = {**FIELDS, "correlationId": "ÿ?>" + "x" * size}
    padded = encode(json.dumps(fields, ensure_ascii=False).encode()).decode()

    assert Envelope(fields) == open_message(padded)
    assert Envelope(fields) == open_message(padded.rstrip("="))


@pytest.mark.parametrize(
    ("text", "seen", "why"),
    [
        pytest.param(_encoded(TEXT.encode("utf-16")), TEXT, UTF_16, id="UTF-16"),
        pytest.param(_encoded(TEXT.encode("utf-16-le")), TEXT, UTF_16, id="PowerShell"),
        pytest.param(_encoded(TEXT.encode("utf-16-be")), TEXT, UTF_16, id="big-endian"),
        pytest.param(
            _encoded(b"\xfe\xff" + TEXT.encode("utf-16-be")), TEXT, UTF_16, id="big-endian, mark"
        ),
        pytest.param(_encoded(TEXT.encode("utf-16")).rstrip("="), TEXT, UTF_16, id="no padding"),
        pytest.param(TEXT.encode("utf-16-le").decode(), TEXT, UTF_16, id="as plain text"),
        pytest.param(TEXT.encode("utf-16-be").decode(), TEXT, UTF_16, id="big-endian, plain"),
        pytest.param("ÿþ{", "ÿþ{", UTF_16, id="as Latin-1"),
        pytest.param(_encoded(TEXT.encode("utf-32")), TEXT, UTF_32, id="UTF-32"),
        pytest.param(_encoded(TEXT.encode("utf-32-le")), TEXT, UTF_32, id="UTF-32, no mark"),
        pytest.param(_encoded(TEXT.encode("utf-32-be")), TEXT, UTF_32, id="UTF-32, big-endian"),
        pytest.param(
            _encoded(_encoded(TEXT.encode()).encode()), _encoded(TEXT.encode()),
            "this is base64 of base64: encode it once", id="base64 twice",
        ),
        pytest.param(
            _encoded(b"\x1f\x8b\x08"), "\x1f\x8b\x08",
            "this is compressed: send it as it was before", id="gzip",
        ),
        pytest.param(
            json.dumps(TEXT), json.dumps(TEXT),
            "this is a text in quotes: send the JSON itself", id="a JSON string",
        ),
        pytest.param(
            f"'{TEXT}'", f"'{TEXT}'",
            "this is a text in quotes: send the JSON itself", id="a shell's quotes",
        ),
        pytest.param(
            quote(TEXT), quote(TEXT),
            "this is percent-encoded: send the JSON itself", id="percent-encoded",
        ),
        pytest.param("<a/>", "<a/>", "this is XML or HTML: send JSON", id="XML"),
        pytest.param(
            _encoded(b'{"a": "\xe9"}'), '{"a": "\ufffd"}', "byte 7 is not UTF-8", id="Latin-1"
        ),
        pytest.param(
            _encoded(b'{"a": tru}'), '{"a": tru}', "Expecting value at character 6", id="no JSON"
        ),
        pytest.param("zrusit", "zrusit", NEITHER, id="a word"),
        pytest.param("e30-+w==", "e30-+w==", NEITHER, id="two alphabets"),
        pytest.param("e30=====e30", "e30=====e30", NEITHER, id="too much padding"),
        pytest.param(" \n", " \n", "this is empty", id="blank"),
    ],
)  # fmt: skip
def test_what_it_is(text: str, seen: str, why: str) -> None:
    """An error quotes the text as decoded, says what it is and how to send it."""
    error = FieldError("message", quoted(seen), f"{FORM} ({why})")

    assert Envelope(errors=(error,)) == open_message(text)


@pytest.mark.parametrize(
    "secret",
    [
        "Bearer abc.def",
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.c2ln",
        "sv=2030&sig=abc%2Fdef",
        _encoded(bytes(range(64))),
    ],
)
def test_secrets_are_masked(secret: str) -> None:
    """No error quotes what looks like a secret, wherever a message holds it."""
    texts = [secret, f"x {secret}", json.dumps([secret]), f'{{"a": {secret}', _base64(secret)]
    texts += [json.dumps({"specversion": secret, "id": [secret], "data": secret})]

    errors = [str(error) for text in texts for error in open_message(text).errors]

    assert len(errors) >= len(texts)
    assert [] == [error for error in errors if secret[8:] in error]
