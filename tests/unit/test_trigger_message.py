"""A delivered queue message."""

import base64
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from azure.functions.queue import QueueMessage
from hypothesis import given
from hypothesis import strategies as st

from cancel_trigger.message import Message
from tests.unit.samples import NOW, seconds


def _delivered(
    body: bytes = b"{}",
    message_id: str | None = "m1",
    inserted_at: datetime | None = NOW,
    deliveries: int | None = 2,
) -> Message:
    given_message = QueueMessage(  # type: ignore[no-untyped-call]
        id=message_id, body=body, dequeue_count=deliveries, insertion_time=inserted_at
    )
    return Message.received(given_message, seconds(60))


def test_received() -> None:
    """A delivery has an id, a text, its time of insertion, and a count."""
    assert _delivered() == Message("m1", "{}", NOW, 2)


def test_received_without_metadata() -> None:
    """What the host does not say is filled in: the deadline counts from now at the latest."""
    expected = Message("unknown", "{}", seconds(60), 1)
    assert expected == _delivered(message_id=None, inserted_at=None, deliveries=None)


@pytest.mark.parametrize(
    ("message_id", "expected"),
    [
        pytest.param("x" * 128, "x" * 128, id="bounded"),
        pytest.param("x" * 60_000, "x" * 127 + "…", id="as long as a message"),
        pytest.param(" a\n\0b ", "a b", id="control characters"),
        pytest.param("\n", "unknown", id="blank"),
    ],
)
def test_id(message_id: str, expected: str) -> None:
    """A message's own `id` can take the place of the queue's: it is kept short and clean."""
    assert expected == _delivered(message_id=message_id).id


@pytest.mark.parametrize(
    ("inserted_at", "expected"),
    [
        pytest.param(NOW.replace(tzinfo=None), NOW, id="no zone: UTC"),
        pytest.param(NOW.astimezone(timezone(timedelta(hours=2))), NOW, id="another zone"),
        pytest.param(NOW.replace(microsecond=250_999), NOW, id="finer than milliseconds"),
    ],
)
def test_insertion_time(inserted_at: datetime, expected: datetime) -> None:
    """The time of insertion is UTC in whole milliseconds, however the host gives it."""
    found = _delivered(inserted_at=inserted_at).inserted_at
    assert (expected, UTC) == (found, found.tzinfo)


def test_insertion_time_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A time without a zone is UTC wherever the app runs."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        found = _delivered(inserted_at=NOW.replace(tzinfo=None)).inserted_at
    time.tzset()
    assert found == NOW


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"", "", id="empty"),
        pytest.param(' {"a":\t"č"}\r\n'.encode(), ' {"a":\t"č"}\r\n', id="text"),
        pytest.param("🐎".encode(), "🐎", id="beyond the first plane"),
        pytest.param(b"eyJ9", "eyJ9", id="base64 stays base64"),
        pytest.param(b'{"a": "\xff"}', "eyJhIjogIv8ifQ==", id="no UTF-8"),
        pytest.param(b"\x1f\x8b\x08", "H4sI", id="compressed"),
        pytest.param(b"a\0b", "YQBi", id="NUL"),
        pytest.param("a\uffffb".encode(), "Ye+/v2I=", id="no character"),
    ],
)
def test_text(body: bytes, expected: str) -> None:
    """The original text is kept unchanged, or as base64 where a queue could not hold it."""
    assert expected == _delivered(body).text


@pytest.mark.parametrize("code", [0, 1, 8, 11, 12, 14, 31, 0xFFFE, 0xFFFF])
def test_what_no_queue_can_hold(code: int) -> None:
    """Characters that XML cannot hold make a text base64: a queue would refuse it for ever."""
    body = f"a{chr(code)}b".encode()
    assert base64.b64encode(body).decode() == _delivered(body).text


@pytest.mark.parametrize("code", [9, 10, 13, 32, 0xFFFD, 0x1FFFF])
def test_what_a_queue_can_hold(code: int) -> None:
    """The characters next to those stay as they are."""
    text = f"a{chr(code)}b"
    assert text == _delivered(text.encode()).text


@given(body=st.binary() | st.text().map(str.encode))
def test_nothing_is_lost(body: bytes) -> None:
    """The text that goes to the poison queue gives back what was delivered."""
    text = _delivered(body).text
    assert text.encode() == body or base64.b64decode(text) == body
    assert not {"\0", "\x1f", "\ufffe", "\uffff"} & set(text)
