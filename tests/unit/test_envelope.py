"""A queue message's text: plain or base64, bare or in a CloudEvent."""

import base64
import hashlib
import json
from typing import Any

import pytest

from offer_cancellation.envelope import Envelope, Fault, open_message, shown
from tests.unit.samples import TRACE, message_text

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
    ("changes", "fault"),
    [
        pytest.param({"id": ""}, Fault("id", '""', "a non-empty string"), id="id empty"),
        pytest.param({"id": None}, Fault("id", "null", "a non-empty string"), id="id null"),
        pytest.param({"source": 7}, Fault("source", "7", "a non-empty string"), id="source"),
        pytest.param({"type": ""}, Fault("type", '""', "a non-empty string"), id="type"),
        pytest.param(
            {"specversion": "0.3"}, Fault("specversion", '"0.3"', '"1.0"'), id="older version"
        ),
        pytest.param({"specversion": 1.0}, Fault("specversion", "1.0", '"1.0"'), id="a number"),
    ],
)
def test_cloud_event_fault(changes: dict[str, Any], fault: Fault) -> None:
    """A CloudEvent that is none gives no request id; its data are read all the same."""
    expected = Envelope({**FIELDS, "traceparent": TRACE}, (fault,))
    assert expected == open_message(json.dumps({**EVENT, **changes}))


@pytest.mark.parametrize("data", [None, "text", [FIELDS], 7])
def test_cloud_event_data_fault(data: object) -> None:
    """The data of a CloudEvent must be an object."""
    fault = Fault("data", json.dumps(data), "an object: the request")
    expected = Envelope({"traceparent": TRACE}, (fault,))
    assert expected == open_message(json.dumps({**EVENT, "data": data}))


def test_cloud_event_without_anything() -> None:
    """Every attribute that is missing is named at once."""
    faults = (
        Fault("id", "null", "a non-empty string"),
        Fault("source", "null", "a non-empty string"),
        Fault("type", "null", "a non-empty string"),
        Fault("data", "null", "an object: the request"),
    )
    assert Envelope({}, faults) == open_message('{"specversion": "1.0"}')


def test_data_base64() -> None:
    """`data_base64` is refused with a message that says to deliver CloudEvents."""
    event = {name: value for name, value in EVENT.items() if name not in ("data", "traceparent")}
    event["data_base64"] = _base64(json.dumps(FIELDS))
    expected = Envelope({}, (Fault("data_base64", "given", DELIVER),))
    assert expected == open_message(json.dumps(event))


def test_event_grid() -> None:
    """Event Grid's own schema is refused with a message that says to deliver CloudEvents."""
    expected = Envelope(faults=(Fault("message", "an event in Event Grid's schema", DELIVER),))
    assert expected == open_message(message_text("event_grid.json"))


@pytest.mark.parametrize("name", ["eventType", "eventTime", "dataVersion"])
def test_event_grid_by_any_sign(name: str) -> None:
    """Each of the attributes that only Event Grid's schema has is enough to say so."""
    expected = Envelope(faults=(Fault("message", "an event in Event Grid's schema", DELIVER),))
    assert expected == open_message(json.dumps({**FIELDS, name: "1"}))


def test_base64_is_strict() -> None:
    """Signs that base64 has not are not passed over: what was meant is not guessed."""
    text = f"!{_base64(json.dumps(FIELDS))}"
    why = "UTF-8 JSON (neither JSON, which begins with { or [, nor base64)"
    assert Envelope(faults=(Fault("message", shown(text), why),)) == open_message(text)


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
    expected = Envelope(faults=(Fault("message", shown(json.loads(text)), allowed),))
    assert expected == open_message(text)


@pytest.mark.parametrize("value", ["text", 7, None, True])
def test_no_object(value: object) -> None:
    """Base64 of JSON that is no object is no request."""
    expected = Envelope(faults=(Fault("message", json.dumps(value), "a JSON object"),))
    assert expected == open_message(_base64(json.dumps(value)))


def test_doubled_keys_anywhere() -> None:
    """A key given twice is named, in the envelope and in the data, each once and in order."""
    head = '{"specversion":"1.0","id":"1","id":"1","source":"/s","type":"t","data":'
    text = head + '{"x":1,"x":2,"x":3}}'
    faults = (
        Fault("id", "given more than once", "one value a field"),
        Fault("x", "given more than once", "one value a field"),
    )
    assert Envelope({"x": 3}, faults, _id("/s", "1")) == open_message(text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("č", '"\\u010d"', id="ASCII"),
        pytest.param("x" * 100, '"' + "x" * 78 + "…", id="cut"),
        pytest.param({1, 2}, "a value too deep to show", id="no JSON"),
    ],
)
def test_shown(value: object, expected: str) -> None:
    """A value is quoted as JSON, in ASCII and short."""
    assert expected == shown(value)
