"""Looks at what an offer's submissions say of a cancellation whose own answer is not known.

That is the case before a POST is repeated that may have arrived, and for a request that was
accepted without a location to poll. `judge_…` decide, `look` reads.
"""

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from functools import partial
from typing import Protocol

from offer_cancellation.ledger.record import Record
from offer_cancellation.portal import operation
from offer_cancellation.portal.answer import Answer, Cause, NoAnswer, Reply
from offer_cancellation.portal.operation import Operation
from offer_cancellation.status import Status

TOLERANCE_SECONDS = 10  # two clocks that agree are this far apart at most


class Found(Enum):
    """What an offer's submissions say."""

    ACTIVE = auto()  # what ran before this request's POST still runs
    NEW = auto()  # only what began after it runs
    CANCELED = auto()  # nothing runs: it was canceled
    ENDED = auto()  # nothing runs: it ended by itself, or was canceled before


@dataclass(frozen=True, slots=True)
class Finding:
    """The verdict, the raw status that it goes by, and why, for people."""

    found: Found
    raw_status: str | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """The last reply of a look, and what was found; None where that reply does not tell."""

    reply: Reply
    finding: Finding | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """When the request's POST began: what is `new`, and what was `canceled` since, count from it.

    They differ for an accepted request whose POST was repeated: only its last POST was accepted,
    but a cancellation since the first is as good.
    """

    new: datetime
    canceled: datetime

    @classmethod
    def of(cls, record: Record) -> "Start":
        """Of an accepted record its POST, of another its first uncertain attempt."""
        first = record.first_attempt_at or record.requested_at
        if record.status is Status.ACCEPTED:
            return cls(new=record.accepted_at or first, canceled=first)

        since = record.uncertain_since or first
        return cls(new=since, canceled=since)


class OfferReader(Protocol):
    """What a look reads of an offer; each call begins by `start_by`, a time of the event loop's."""

    async def running(self, record: Record, start_by: float) -> Reply:
        """What runs."""

    async def submissions(self, record: Record, start_by: float) -> Reply:
        """All of it."""

    async def operation(self, record: Record, operation_id: str, start_by: float) -> Reply:
        """One operation."""


async def look(
    api: OfferReader,
    record: Record,
    *,
    start_by: float = math.inf,
    has_time: Callable[[], bool] = lambda: True,
) -> Look:
    """Reads what runs for the record's offer, and where nothing does, what ended last.

    Each call begins by `start_by` (a time of the event loop's), and only while `has_time()`; else
    the reply is a NoAnswer. At least one GET goes out, two when nothing runs, and one more for
    each running operation whose age is not in the list.
    """

    async def call(read: Callable[..., Awaitable[Reply]], *names: str) -> Reply:
        if not has_time():
            return NoAnswer(Cause.NO_TIME, sent=False)

        return await read(record, *names, start_by)

    reply = await call(api.running)
    items = _listed(reply)
    if items is not None and not any(item.is_active for item in items):
        reply = await call(api.submissions)
        items = _listed(reply)

    if items is None or not isinstance(reply, Answer):
        return Look(reply)

    start = Start.of(record)
    if active := [item for item in items if item.is_active]:
        return await _judge_active(reply, active, start, partial(call, api.operation))

    return Look(reply, judge_ended(items, start, reply.clock_offset))


async def _judge_active(
    reply: Answer,
    active: Sequence[Operation],
    start: Start,
    read: Callable[[str], Awaitable[Reply]],
) -> Look:
    """Whether all that runs is new; what has no time in the list is read by its id."""
    for item in sorted(active, key=lambda item: item.created_at is None):
        created_at, dated_by = item.created_at, reply
        if created_at is None and item.id:
            details = await read(item.id)
            if not isinstance(details, Answer) or details.is_outage or details.is_redirect:
                return Look(details)

            described = operation.operation_of(details.json) if details.is_success else None
            created_at, dated_by = described.created_at if described else None, details

        if not is_new(created_at, start, dated_by.clock_offset):
            return Look(reply, Finding(Found.ACTIVE, item.raw_status))

    text = "all that runs began after this request's first attempt"
    return Look(reply, Finding(Found.NEW, active[0].raw_status, text))


def is_new(created_at: datetime | None, start: Start, clock_offset: float) -> bool:
    """Whether what runs began after the POST: then it is another's. No time: it did not."""
    if created_at is None:
        return False

    return _seconds_after(start.new, created_at, clock_offset) > TOLERANCE_SECONDS


def judge_ended(items: Sequence[Operation], start: Start, clock_offset: float) -> Finding:
    """What a list says in which nothing runs: its latest item decides."""
    if not items:
        return Finding(Found.CANCELED)

    latest = _latest(items)
    if latest.status in operation.CANCELED:
        changed_at = latest.changed_at
        if changed_at is None:
            return Finding(Found.CANCELED, latest.raw_status)

        if _seconds_after(start.canceled, changed_at, clock_offset) >= -TOLERANCE_SECONDS:
            return Finding(Found.CANCELED, latest.raw_status)

        text = f"what ran last was canceled at {changed_at.isoformat()}, before this request"
        return Finding(Found.ENDED, latest.raw_status, text)

    if latest.status in operation.ENDED:
        text = f"what ran last is {latest.raw_status!r}: it ended by itself"
        return Finding(Found.ENDED, latest.raw_status, text)

    return Finding(Found.ACTIVE, latest.raw_status)


def _latest(items: Sequence[Operation]) -> Operation:
    """By the time of its last change, else of its creation; the first where none has a time."""
    dated = [(item.changed_at or item.created_at, item) for item in items]
    times = [(moment, item) for moment, item in dated if moment]
    return max(times, key=lambda pair: pair[0])[1] if times else items[0]


def _seconds_after(start: datetime, moment: datetime, clock_offset: float) -> float:
    """How long after `start` the API's `moment` was, by the app's clock."""
    return (moment - start).total_seconds() + clock_offset


def _listed(reply: Reply) -> list[Operation] | None:
    if not isinstance(reply, Answer) or not reply.is_success:
        return None

    return operation.listed(reply.json)
