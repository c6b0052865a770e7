"""Which metadata of its queue message a text has replaced, as the Functions host reads it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cancel_trigger.metadata import REPLACEABLE, replaced_metadata

DEEP = "[" * 62 + "]" * 62

# Seen on host 4.1037.
SEEN = {
    '{"publisherId": "contoso", "insertiontime": "x"}': {"insertiontime"},
    '{"insertiontime": ""}': {"insertiontime"},
    '{"insertiontime": {"a": 1}}': {"insertiontime"},
    '{"insertiontime": null}': set(),
    '{"EXPIRATIONTIME": "5", "PopReceipt": "x"}': set(),
    '{"dequeueCount": []}': set(),
    '{"dequeueCount": [5]}': set(),
    '{"dequeueCount": true}': {"dequeuecount"},
    "{'publisherId': 'c', 'dequeueCount': 'many'}": {"dequeuecount"},
    "{publisherId: 'c', dequeueCount: 'many'}": {"dequeuecount"},
    '{"dequeueCount": "many" // c\n}': {"dequeuecount"},
    '{/* a */ "dequeueCount" /* b */ : /* c */ 5 /* } */, }': {"dequeuecount"},
    '{"insertionTime": "yes\tterday"}': {"insertiontime"},
    '{"dequeueCount": undefined, "insertionTime": "u"}': {"insertiontime"},
    '{"dequeueCount": "many"} x': set(),
    '{"dequeueCount": "many"}{"a": 1}': set(),
    '{"dequeueCount": 5, "DEQUEUECOUNT": "many"}': {"dequeuecount"},
    '{"DEQUEUECOUNT": "many", "dequeuecount": null}': {"dequeuecount"},
    '{"id": "a", "Id": "b"}': {"id"},
    '\u00a0{"dequeueCount": "many"}': {"dequeuecount"},
    '\ufeff{"dequeueCount": "many"}': set(),
    '// c\n{"dequeueCount": "many"}': set(),
    f'{{"dequeueCount": "many", "x": {DEEP}}}': {"dequeuecount"},
    f'{{"dequeueCount": "many", "x": [{DEEP}]}}': {"dequeuecount"},
    f'{{"dequeueCount": "many", "x": [[{DEEP}]]}}': set(),
    '{"dequeueCount": 5, "x": ' + "9" * 381 + "}": set(),
    '{"id": "/Date(1234567890000)/", "n": 1}': {"id"},
    '{"\\u0069d": 1}': {"id"},
    '{"x": {"id": 1}, "y": [{"id": 1}]}': set(),
    '{"x": "\\"", "id": 1}': {"id"},
    '[1, {"dequeueCount": "many"}]': set(),
    '"hello"': set(),
    "{hello}": set(),
    "{": set(),
    "{}": set(),
    "": set(),
    '{"id" 1}': set(),
    '{"id": [1]] }': set(),
    '{"x": [1] 2, "id": 1}': set(),
    '{"x": [[1, "id": 1}': set(),
}


@pytest.mark.parametrize(("text", "expected"), SEEN.items())
def test_seen(text: str, expected: set[str]) -> None:
    """Top-level properties replace the metadata of their name; what the host refuses, nothing."""
    assert expected == replaced_metadata(text)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("id"), inner),
    max_leaves=10,
)
names = st.text() | st.sampled_from(["id", "ID", "insertionTime", "dequeueCount", "DequeueCOUNT"])


@given(fields=st.dictionaries(names, values), indent=st.none() | st.just(1))
def test_any_json(fields: dict[str, object], indent: int | None) -> None:
    """For any JSON object: the names whose value is neither null nor an array."""
    expected = {
        name.lower()
        for name, value in fields.items()
        if value is not None and not isinstance(value, list)
    }

    assert expected & REPLACEABLE == replaced_metadata(json.dumps(fields, indent=indent))


@given(text=st.text(st.sampled_from("{}[]:,\"'\\/* \n#id1"), max_size=60))
def test_any_text(text: str) -> None:
    """It never raises."""
    assert replaced_metadata("{" + text + "}") <= REPLACEABLE
