"""host.json: what the development host takes from it."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from local.host.host_json import HostJson, QueueOptions


def _parse(**queues: object) -> QueueOptions:
    return HostJson.parse(json.dumps({"version": "2.0", "extensions": {"queues": queues}})).queues


def test_absent_keys_have_the_documented_defaults() -> None:
    """An empty host.json means the defaults that Azure Functions documents."""
    host_json = HostJson.parse('{"version": "2.0"}')

    expected = QueueOptions(
        batch_size=16,
        new_batch_threshold=8,
        visibility_timeout=timedelta(0),
        max_dequeue_count=5,
        max_polling_interval=timedelta(minutes=1),
        message_encoding="base64",
    )
    assert expected == host_json.queues
    assert timedelta(minutes=30) == host_json.function_timeout


def test_every_key_is_read() -> None:
    """Each honoured key reaches the options, and unknown ones do no harm."""
    options = _parse(
        batchSize=4,
        newBatchThreshold=1,
        visibilityTimeout="00:01:30",
        maxDequeueCount=120,
        maxPollingInterval="00:00:02",
        messageEncoding="none",
        somethingElse=True,
    )

    expected = QueueOptions(
        batch_size=4,
        new_batch_threshold=1,
        visibility_timeout=timedelta(seconds=90),
        max_dequeue_count=120,
        max_polling_interval=timedelta(seconds=2),
        message_encoding="none",
    )
    assert expected == options


def test_new_batch_threshold_follows_the_batch_size() -> None:
    """Half a batch left is when the next one is fetched, unless it says otherwise."""
    assert 16 == _parse(batchSize=32).new_batch_threshold


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("00:10:00", timedelta(minutes=10)),
        ("1.02:03:04", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("-1", None),
    ],
)
def test_function_timeout_is_a_time_span_or_none(text: str, expected: timedelta | None) -> None:
    """FunctionTimeout reads .NET time spans, and -1 as no timeout at all."""
    host_json = HostJson.parse(json.dumps({"version": "2.0", "functionTimeout": text}))

    assert expected == host_json.function_timeout


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("batchSize", 33),
        ("batchSize", "16"),
        ("batchSize", True),
        ("maxDequeueCount", 0),
        ("visibilityTimeout", "60"),
        ("visibilityTimeout", 60),
        ("maxPollingInterval", "25:00:00"),
        ("messageEncoding", "utf8"),
    ],
)
def test_a_wrong_value_is_named(key: str, value: object) -> None:
    """An impossible value stops the host with the key in the message."""
    with pytest.raises(ValueError, match=key):
        _parse(**{key: value})


def test_another_version_is_refused(tmp_path: Path) -> None:
    """A host.json of another schema version is not guessed at."""
    path = tmp_path / "host.json"
    path.write_text("{}")

    with pytest.raises(ValueError, match="version"):
        HostJson.load(path)
