"""The app's own host.json: documented keys, in their ranges, and honoured by the local host."""

import copy
import json
from datetime import timedelta
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from local.host.host_json import HostJson, QueueOptions
from local.stack import ROOT

SCHEMA: dict[str, Any] = json.loads((ROOT / "local" / "host" / "host.schema.json").read_text())
HOST_JSON: dict[str, Any] = json.loads((ROOT / "host.json").read_text())
QUEUES = "extensions.queues"


def _faults(document: object) -> list[str]:
    return [fault.json_path for fault in Draft202012Validator(SCHEMA).iter_errors(document)]


def _with(section: str, key: str, value: object) -> dict[str, Any]:
    """The app's host.json with one key set."""
    document = copy.deepcopy(HOST_JSON)
    place = document
    for name in section.split(".") if section else ():
        place = place.setdefault(name, {})

    place[key] = value
    return document


def test_the_schema_is_one() -> None:
    """A mistake in the schema must not pass for a host.json without mistakes."""
    Draft202012Validator.check_schema(SCHEMA)


def test_host_json_holds_documented_keys_in_their_ranges() -> None:
    """The real host ignores what it does not know: a misspelt key would go unnoticed there."""
    assert [] == _faults(HOST_JSON)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("", "functiontimeout", "00:10:00"),
        ("", "queues", {}),
        ("extensions", "queue", {}),
        (QUEUES, "batchsize", 16),
        (QUEUES, "maxDequeue", 120),
        ("logging", "loglevel", {}),
    ],
)
def test_an_unknown_key_is_a_fault(section: str, key: str, value: object) -> None:
    """Misspelt, in the wrong letter case, or in the wrong place."""
    assert _faults(_with(section, key, value)) != []


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("", "version", 2.0),
        ("", "version", "1.0"),
        ("", "functionTimeout", 600),
        ("", "functionTimeout", "00:00:00"),
        ("", "functionTimeout", "10 minutes"),
        ("", "telemetryMode", "Otel"),
        ("", "extensions", []),
        ("extensionBundle", "version", "[3.*, 4.0.0)"),
        ("extensionBundle", "id", "Microsoft.Azure.Functions"),
        ("logging.logLevel", "default", "Loud"),
        ("logging.applicationInsights.samplingSettings", "excludedTypes", "Requests"),
        ("healthMonitor", "counterThreshold", 1.1),
        (QUEUES, "batchSize", 0),
        (QUEUES, "batchSize", 33),
        (QUEUES, "batchSize", "16"),
        (QUEUES, "newBatchThreshold", -1),
        (QUEUES, "maxDequeueCount", 0),
        (QUEUES, "maxDequeueCount", 1.5),
        (QUEUES, "maxPollingInterval", "00:00:00.0999"),
        (QUEUES, "maxPollingInterval", 2000),
        (QUEUES, "visibilityTimeout", "24:00:00"),
        (QUEUES, "visibilityTimeout", "7.00:00:01"),
        (QUEUES, "messageEncoding", "utf8"),
    ],
)
def test_a_wrong_value_is_a_fault(section: str, key: str, value: object) -> None:
    """The wrong type, or out of range."""
    assert _faults(_with(section, key, value)) != []


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("", "functionTimeout", "-1"),
        ("", "telemetryMode", "OpenTelemetry"),
        ("logging.logLevel", "default", "Warning"),
        ("logging.applicationInsights.samplingSettings", "excludedTypes", "Request;Exception"),
        (QUEUES, "batchSize", 32),
        (QUEUES, "newBatchThreshold", 0),
        (QUEUES, "maxPollingInterval", "00:00:00.100"),
        (QUEUES, "visibilityTimeout", "7.00:00:00"),
        (QUEUES, "messageEncoding", "base64"),
    ],
)
def test_the_ends_of_a_range_are_in_it(section: str, key: str, value: object) -> None:
    """The schema is no narrower than the documentation."""
    assert [] == _faults(_with(section, key, value))


def test_the_local_host_honours_what_the_file_says() -> None:
    """What the README says of host.json is what `python -m local.host` goes by."""
    host_json = HostJson.load(ROOT / "host.json")

    expected = QueueOptions(
        batch_size=16,
        new_batch_threshold=8,
        visibility_timeout=timedelta(seconds=60),
        max_dequeue_count=5,
        max_polling_interval=timedelta(seconds=2),
        message_encoding="none",
    )
    assert expected == host_json.queues
    assert timedelta(minutes=10) == host_json.function_timeout


CHANGES = {
    "batchSize": 3,
    "newBatchThreshold": 5,
    "maxPollingInterval": "00:00:07",
    "messageEncoding": "base64",
    "visibilityTimeout": "00:00:09",
    "maxDequeueCount": 11,
}


@pytest.mark.parametrize("key", HOST_JSON["extensions"]["queues"])
def test_every_key_of_the_file_makes_a_difference(key: str) -> None:
    """No key stands in the queue section that the local host would pass over."""
    changed = HostJson.parse(json.dumps(_with(QUEUES, key, CHANGES[key])))

    assert changed != HostJson.load(ROOT / "host.json")


@pytest.mark.parametrize("key", CHANGES)
def test_the_local_host_refuses_what_the_schema_refuses(key: str) -> None:
    """A wrong type stops the local host, too."""
    document = _with(QUEUES, key, [])

    assert _faults(document) != []
    with pytest.raises(ValueError, match=key):
        HostJson.parse(json.dumps(document))
