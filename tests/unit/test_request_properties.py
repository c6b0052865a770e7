"""What holds for every message, whatever it is."""

import base64
import json
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from offer_cancellation.clock import rfc3339
from offer_cancellation.envelope import quoted_name
from offer_cancellation.request import CancelRequest, InvalidRequest, parse
from tests.unit.samples import GUID, TRACE, moments, texts

NAMES = (
    "publisherId",
    "offerId",
    "notificationEmails",
    "requestId",
    "operationId",
    "expiresAt",
    "correlationId",
    "traceparent",
)

identifiers = st.from_regex(r"[A-Za-z0-9_-]{1,20}(\.[A-Za-z0-9_-]{1,9}){0,2}", fullmatch=True)
printables = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=128)
requests = st.fixed_dictionaries(
    {"publisherId": identifiers, "offerId": identifiers},
    optional={
        "notificationEmails": st.sampled_from(
            ["jane@contoso.com", "a@b.cz, c@d.cz", [], ["a@b.cz", "c@d.cz"]]
        ),
        "requestId": printables,
        "operationId": st.uuids().map(str),
        "expiresAt": moments.map(rfc3339),
        "correlationId": printables,
        "traceparent": st.just(TRACE),
    },
)
"""Valid requests, as a message holds them."""

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1e300, 1e300) | texts,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(texts | st.sampled_from(NAMES), inner, max_size=6)
    ),
    max_leaves=12,
)
"""Whatever JSON can hold."""


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()


def _is_parsed(text: str) -> bool:
    """Whether the text came to a request or to faults, and to an id in either case."""
    parsed = parse(text, "m1")
    if isinstance(parsed, CancelRequest):
        return bool(parsed.request_id)
    return bool(parsed.faults and parsed.error.message and parsed.request_id)


@given(text=st.text())
def test_any_text(text: str) -> None:
    """Any text is a request or at fault; it never raises."""
    assert _is_parsed(text)


@given(body=st.binary(max_size=200))
def test_any_bytes(body: bytes) -> None:
    """Base64 of any bytes is a request or at fault; it never raises."""
    assert _is_parsed(base64.b64encode(body).decode())


@given(value=values | st.lists(st.floats()), is_base64=st.booleans())
def test_any_json(value: object, is_base64: bool) -> None:
    """Any JSON, and NaN in it, is a request or at fault; it never raises."""
    text = json.dumps(value)
    assert _is_parsed(_base64(text) if is_base64 else text)


@given(
    fields=st.dictionaries(st.sampled_from(NAMES), values | st.just(GUID)),
    envelope=st.dictionaries(
        st.sampled_from(["id", "source", "type", "data_base64", "traceparent"]), values
    ),
)
def test_any_fields_in_a_cloud_event(fields: dict[str, Any], envelope: dict[str, Any]) -> None:
    """A CloudEvent with any attributes and any fields never raises."""
    assert _is_parsed(json.dumps({**envelope, "specversion": "1.0", "data": fields}))


@given(fields=requests)
def test_every_wrapping(fields: dict[str, Any]) -> None:
    """A request survives plain text, base64, a CloudEvent and an array of one unchanged."""
    plain = parse(json.dumps(fields), "m1")
    assert isinstance(plain, CancelRequest)
    assert {"publisherId", "offerId"} <= fields.keys() <= set(NAMES)
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": fields}
    wrapped = [json.dumps(event), json.dumps([event])]
    wrapped += [_base64(text) for text in (json.dumps(fields), *wrapped)]
    for text in wrapped:
        parsed = parse(text, "m1")
        assert isinstance(parsed, CancelRequest)
        assert plain.model_dump() == parsed.model_dump() | {"request_id": plain.request_id}
        if "requestId" in fields:
            assert fields["requestId"] == parsed.request_id


@given(fields=requests, name=texts, value=values)
def test_any_extra_key(fields: dict[str, Any], name: str, value: object) -> None:
    """Any other field is an error that names it."""
    assume(name not in {*NAMES, "specversion", "eventType", "eventTime", "dataVersion"})
    parsed = parse(json.dumps({**fields, name: value}), "m1")
    assert isinstance(parsed, InvalidRequest)
    expected = [(quoted_name(name), "an unknown field")]
    assert expected == [(fault.field, fault.value) for fault in parsed.faults]


@given(fields=requests, data=st.data())
def test_any_doubled_key(fields: dict[str, Any], data: st.DataObject) -> None:
    """A key given twice is an error that names it, and nothing else is at fault."""
    doubled = data.draw(st.sets(st.sampled_from(sorted(fields)), min_size=1))
    pairs = [*fields.items(), *((name, fields[name]) for name in doubled)]
    members = ",".join(f"{json.dumps(name)}:{json.dumps(value)}" for name, value in pairs)
    parsed = parse(f"{{{members}}}", "m1")
    assert isinstance(parsed, InvalidRequest)
    assert sorted(doubled) == [fault.field for fault in parsed.faults]


@given(fields=requests, bad=st.sets(st.sampled_from(NAMES), min_size=1))
def test_every_null_is_named(fields: dict[str, Any], bad: set[str]) -> None:
    """Every null is an error that names its field, all of them at once."""
    parsed = parse(json.dumps({**fields, **dict.fromkeys(bad)}), "m1")
    assert isinstance(parsed, InvalidRequest)
    assert bad == {fault.field for fault in parsed.faults}
