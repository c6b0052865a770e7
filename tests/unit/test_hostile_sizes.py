"""What a message costs: linear in its size, and little, whatever it holds."""

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType
from typing import Any

import pytest
from azure.functions.queue import QueueMessage
from hypothesis import given
from hypothesis import strategies as st

from cancel_trigger.message import Message
from offer_cancellation import log
from offer_cancellation.original import forms
from offer_cancellation.outcome_event import Refusal, of_refusal
from offer_cancellation.request import CancelRequest, InvalidRequest, parse
from tests.unit.hostile import SHAPES, in_base64
from tests.unit.samples import NOW

KIB = 1024
FULL = 64 * KIB
STEPS_PER_MESSAGE = 600_000  # lines of Python: about 30 ms
SECONDS = 0.05
RUNS = 3  # the fastest counts: other processes only ever make one slower

shapes = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
forms_of_text = pytest.mark.parametrize("form", [str, in_base64], ids=["plain", "base64"])

pytestmark = pytest.mark.slow


def _handled(body: str) -> CancelRequest | InvalidRequest:
    """All that the app does with a message before it awaits anything, and with its event."""
    delivered = QueueMessage(id="m1", body=body)  # type: ignore[no-untyped-call]
    message = Message.received(delivered, NOW)
    parsed = parse(message.text, message.id)
    if isinstance(parsed, CancelRequest):
        return parsed

    logger = logging.getLogger("tests.hostile")
    names = [fault.field for fault in parsed.faults]
    log.event(logger, "cancel.invalid", logging.WARNING, messageId=message.id, fields=names)
    refusal = Refusal(
        text=message.text,
        request_id=parsed.request_id,
        publisher_id=parsed.publisher_id,
        offer_id=parsed.offer_id,
        correlation_id=parsed.correlation_id,
        traceparent=parsed.traceparent,
        requested_at=message.inserted_at,
        error=parsed.error,
    )
    of_refusal(refusal, "/offer-cancellation/local", NOW + timedelta(seconds=1))
    forms(message.text)
    return parsed


Trace = Callable[[FrameType, str, object], Any]


@contextmanager
def _traced(trace: Trace | None) -> Iterator[None]:
    """Calls a function for each line in the block; with None nothing does, coverage neither."""
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


def _steps(work: Callable[[], object]) -> int:
    """How many lines of Python are executed."""
    count = 0

    def trace(_frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    with _traced(trace):
        work()
    return count


def _seconds(work: Callable[[], object]) -> float:
    """The CPU time of the fastest of a few runs."""
    times = []
    with _traced(None):
        for _ in range(RUNS):
            start = time.process_time()
            work()
            times.append(time.process_time() - start)

    return min(times)


@shapes
@forms_of_text
def test_steps(shape: Callable[[int], str], form: Callable[[str], str]) -> None:
    """Twice the text takes at most about twice the steps, and the largest one takes few."""
    half, whole = (form(shape(size)) for size in (FULL // 4, FULL // 2))

    steps = [_steps(lambda text=text: _handled(text)) for text in (half, whole)]  # type: ignore[misc]

    assert steps[1] <= 2.2 * steps[0] + 500
    assert steps[1] <= STEPS_PER_MESSAGE


@shapes
@forms_of_text
def test_time(shape: Callable[[int], str], form: Callable[[str], str]) -> None:
    """A message of 64 KiB keeps the event loop for less than 50 ms in all, C code included."""
    size = FULL if form is str else FULL * 3 // 4
    text = form(shape(size - 100))[:FULL]

    assert _seconds(lambda: _handled(text)) < SECONDS


@given(
    parts=st.lists(
        st.sampled_from(['"', "'", "{", "}", "[", "]", ",", ":", "\\", "/*", "*/", "//", "1", "a"]),
        min_size=1,
        max_size=8,
    ),
    head=st.sampled_from(["{", "[", "{a:[", '{"publisherId":"', '{"notificationEmails":"', ""]),
    tail=st.sampled_from(["}", "]", '"}', ""]),
)
def test_any_repetition(parts: list[str], head: str, tail: str) -> None:
    """Whatever is repeated, 64 KiB of it take less than 50 ms."""
    part = "".join(parts)
    text = head + part * ((FULL - 100) // len(part)) + tail

    assert _seconds(lambda: parse(Message.received(_body(text), NOW).text, "m1")) < SECONDS


def _body(text: str) -> QueueMessage:
    return QueueMessage(id="m1", body=text)  # type: ignore[no-untyped-call]


@shapes
def test_errors_are_short(shape: Callable[[int], str]) -> None:
    """However large a message is, its errors are at most 50, cut, and the others are counted."""
    parsed = _handled(shape(FULL - 200))

    if isinstance(parsed, CancelRequest):
        return
    assert len(parsed.faults) <= 50
    assert all(len(fault.field) <= 80 for fault in parsed.faults)
    assert len(json.dumps(parsed.error.message)) < 20 * KIB
