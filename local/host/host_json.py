"""Reads host.json, as far as the development host honours it.

Other keys are left alone, a value that a key cannot have is an error that names it. The defaults
are the documented ones; they are not all good ones.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal, Self

MessageEncoding = Literal["none", "base64"]

_LAST_HOUR = 23
_SHORTEST_POLL = timedelta(milliseconds=100)
_TIME_SPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):([0-5]\d)(?::([0-5]\d(?:\.\d{1,7})?))?")


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """`extensions.queues`."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    visibility_timeout: timedelta = timedelta(0)
    max_dequeue_count: int = 5
    max_polling_interval: timedelta = timedelta(minutes=1)
    message_encoding: MessageEncoding = "base64"


@dataclass(frozen=True, slots=True)
class HostJson:
    """What the host needs to know; without a `function_timeout` (-1) nothing is timed out."""

    queues: QueueOptions = field(default_factory=QueueOptions)
    function_timeout: timedelta | None = timedelta(minutes=30)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the file; ValueError says which key is wrong."""
        return cls.parse(path.read_text(encoding="utf-8"))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the file's text."""
        document = _object("host.json", json.loads(text))
        if document.get("version") != "2.0":
            raise ValueError('host.json: version must be "2.0"')

        extensions = _object("extensions", document.get("extensions", {}))
        return cls(
            queues=_queue_options(_object("extensions.queues", extensions.get("queues", {}))),
            function_timeout=_function_timeout(document.get("functionTimeout", "00:30:00")),
        )


def parse_time_span(key: str, value: object) -> timedelta:
    """Parse .NET's `[d.]hh:mm[:ss[.f]]`."""
    match = _TIME_SPAN.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[2]) > _LAST_HOUR:
        raise ValueError(f"host.json: {key} must be a time span like 00:01:00, not {value!r}")

    days, hours, minutes, seconds = match.groups(default="0")
    return timedelta(days=int(days), hours=int(hours), minutes=int(minutes), seconds=float(seconds))


def _queue_options(section: Mapping[str, object]) -> QueueOptions:
    batch_size = _integer(section, "batchSize", 16, 1, 32)
    encoding = section.get("messageEncoding", "base64")
    if encoding not in ("none", "base64"):
        raise ValueError(f"host.json: messageEncoding must be none or base64, not {encoding!r}")

    return QueueOptions(
        batch_size=batch_size,
        new_batch_threshold=_integer(section, "newBatchThreshold", batch_size // 2, 0, 1000),
        visibility_timeout=parse_time_span(
            "visibilityTimeout", section.get("visibilityTimeout", "00:00:00")
        ),
        max_dequeue_count=_integer(section, "maxDequeueCount", 5, 1, 2**31 - 1),
        max_polling_interval=_polling_interval(section.get("maxPollingInterval", "00:01:00")),
        message_encoding=encoding,
    )


def _polling_interval(value: object) -> timedelta:
    interval = parse_time_span("maxPollingInterval", value)
    if interval < _SHORTEST_POLL:
        raise ValueError("host.json: maxPollingInterval must be 00:00:00.100 at least")

    return interval


def _function_timeout(value: object) -> timedelta | None:
    return None if value == "-1" else parse_time_span("functionTimeout", value)


def _integer(
    section: Mapping[str, object], key: str, default: int, lowest: int, highest: int
) -> int:
    value = section.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise ValueError(
            f"host.json: {key} must be a number from {lowest} to {highest}, not {value!r}"
        )

    return value


def _object(key: str, value: object) -> Mapping[str, object]:
    if isinstance(value, dict):
        return value

    raise ValueError(f"host.json: {key} must be an object")
