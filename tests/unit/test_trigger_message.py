"""A delivered queue message."""

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from azure.functions.queue import QueueMessage

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
    assert Message("m1", "{}", NOW, 2) == _delivered()


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
    """An id that is not one of a queue is kept short and clean all the same."""
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
        pytest.param(b"eyJ9", "eyJ9", id="base64 stays base64"),
        pytest.param(b"a\0b", "a\0b", id="control characters"),
        pytest.param(b'{"a": "\xff"}', "eyJhIjogIv8ifQ==", id="not UTF-8"),
        pytest.param(b"\x1f\x8b\x08", "H4sI", id="compressed"),
    ],
)
def test_text(body: bytes, expected: str) -> None:
    """The text is the body as it is, or base64 of a body that is not UTF-8."""
    assert expected == _delivered(body).text


NAMES = ["insertionTime", "INSERTIONTIME", "insertion\\u0054ime"]


@pytest.mark.parametrize("name", NAMES)
def test_own_insertion_time(name: str) -> None:
    """A message that names an insertion time itself was inserted now."""
    body = f'{{"{name}": "01/31/2020 12:00:00-00:00"}}'.encode()

    assert seconds(60) == _delivered(body).inserted_at


def test_insertion_in_the_future() -> None:
    """A message that was inserted later than now, by another clock, was inserted now."""
    assert seconds(60) == _delivered(inserted_at=seconds(61)).inserted_at


@pytest.mark.parametrize("name", ["dequeueCount", "DequeueCount"])
def test_own_count(name: str) -> None:
    """A message that names a dequeue count itself is at its first delivery."""
    assert 1 == _delivered(f'{{"{name}": 5}}'.encode(), deliveries=5).deliveries


def test_own_id() -> None:
    """A message that names an id itself is known by its text."""
    first, again, other = (
        _delivered(body, message_id="x").id
        for body in (b'{"id": "x"}', b'{"id": "x"}', b'{"ID": "x", "a": 1}')
    )

    assert first == again
    assert 3 == len({first, other, "x"})


@pytest.mark.parametrize(
    "body",
    [
        b'{"data": {"insertionTime": "x", "dequeueCount": 5, "id": "x"}}',
        b'{"insertionTime": null, "dequeueCount": [5], "id": null}',
        b'[{"insertionTime": "x", "dequeueCount": 5, "id": "x"}]',
        b'{"insertionTime": "x", "dequeueCount": 5, "id": "x"} x',
        b"eyJpZCI6ICJ4IiwgImRlcXVldWVDb3VudCI6IDV9",
    ],
)
def test_what_replaces_nothing(body: bytes) -> None:
    """What the host does not read as a top-level property leaves the metadata as they are."""
    assert _delivered(body) == Message("m1", body.decode(), NOW, 2)
