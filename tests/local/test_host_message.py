"""What the function is told of a message: its text, and the trigger's metadata."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.functions.meta import Datum
from azure.storage.queue import QueueMessage

from local.host.function import UserFunction
from local.host.message import decoded, trigger_metadata

NOON = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)


def make_message() -> QueueMessage:
    """A message as the queue client hands it out."""
    message = QueueMessage(content="")
    message.id, message.pop_receipt, message.dequeue_count = "queue-id", "receipt", 2
    message.inserted_on = message.expires_on = message.next_visible_on = NOON
    return message


def _plain(metadata: dict[str, Datum]) -> dict[str, tuple[str, Any]]:
    return {name: (str(datum.type), datum.value) for name, datum in metadata.items()}


def test_metadata_has_the_forms_that_the_real_host_sends() -> None:
    """Texts are strings; the count and the times are JSON."""
    noon = ("json", '"2026-03-02T12:00:00+00:00"')

    expected = {
        "QueueTrigger": ("string", "plain"),
        "Id": ("string", "queue-id"),
        "PopReceipt": ("string", "receipt"),
        "DequeueCount": ("json", "2"),
        "InsertionTime": noon,
        "ExpirationTime": noon,
        "NextVisibleTime": noon,
    }
    assert expected == _plain(trigger_metadata("plain", make_message()))


@pytest.mark.parametrize(
    ("properties", "name", "expected"),
    [
        ({"id": "mine"}, "Id", ("string", "mine")),
        ({"ID": "mine"}, "Id", ("string", "mine")),
        ({"id": 17}, "Id", ("string", "17")),
        ({"id": {"a": 1, "é": [1.0]}}, "Id", ("json", '{"a":1,"é":[1.0]}')),
        ({"dequeueCount": 9}, "DequeueCount", ("string", "9")),
        ({"dequeuecount": True}, "DequeueCount", ("string", "True")),
        (
            {"insertionTime": "2030-01-31T13:00:00+01:00"},
            "InsertionTime",
            ("string", "01/31/2030 12:00:00"),
        ),
        ({"popReceipt": "2030-99-99T00:00:00Z"}, "PopReceipt", ("string", "2030-99-99T00:00:00Z")),
        ({"other": "kept"}, "other", ("string", "kept")),
        ({"other": 1, "OTHER": 2}, "other", ("string", "2")),
        ({"SYS": "mine"}, "sys", ("string", "mine")),
    ],
)
def test_a_json_messages_properties_replace_metadata_of_the_same_name(
    properties: dict[str, object], name: str, expected: tuple[str, str]
) -> None:
    """In any letter case, as texts; a nested object as JSON, a time in the host's own writing."""
    body = json.dumps(properties)

    assert expected == _plain(trigger_metadata(body, make_message()))[name]


@pytest.mark.parametrize("body", ['{"id": null}', '{"id": ["mine"]}', '[{"id": "mine"}]', '"id"'])
def test_nulls_arrays_and_what_is_not_an_object_replace_nothing(body: str) -> None:
    """Only properties with a value, of a message that is one JSON object."""
    assert ("string", "queue-id") == _plain(trigger_metadata(body, make_message()))["Id"]


@pytest.mark.parametrize(
    "body",
    [
        '{"dequeueCount": 5, "x": new Date(1)}',
        '{"dequeueCount": 5, "x": "9999-12-31T24:00:00Z"}',
        '{"dequeueCount": 5, "x": "/Date(999999999999999999)/"}',
    ],
)
def test_a_property_without_a_text_keeps_all_others_from_replacing(body: str) -> None:
    """What the host cannot turn into a text ends its whole attempt."""
    assert ("json", "2") == _plain(trigger_metadata(body, make_message()))["DequeueCount"]


@pytest.mark.parametrize("text", ["Z29vZA==", " Z29v\r\nZA== "])
def test_base64_may_be_broken_into_lines(text: str) -> None:
    """White space in base64 means nothing to the real host."""
    assert "good" == decoded(text, "base64")


@pytest.mark.parametrize("text", ["good!", "Z29vZ", "{}", "/w=="])
def test_what_is_no_base64_text_is_told_apart(text: str) -> None:
    """Neither base64 nor, decoded, UTF-8."""
    with pytest.raises(ValueError, match="not base64"):
        decoded(text, "base64")


def test_without_an_encoding_every_text_is_itself() -> None:
    """Nothing is decoded, and nothing is refused."""
    assert " Z29vZA==" == decoded(" Z29vZA==", "none")


@pytest.mark.parametrize("name", ["dequeueCount", "insertionTime"])
async def test_metadata_that_cannot_be_decoded_is_a_failure_without_a_call(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The SDK refuses it before the function is reached, as it does in the worker."""

    async def work(_message: object) -> None:
        raise AssertionError("called")

    body = json.dumps({name: "many"})
    function = UserFunction("work", "_message", work)

    assert not await function.invoke(Datum(body, "string"), trigger_metadata(body, make_message()))
    assert "ValueError" in caplog.text
    assert "AssertionError" not in caplog.text
