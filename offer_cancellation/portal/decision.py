"""What an answer of either API means for a request: the values that its adapters return.

What the domain does with them is the same for both.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, TypeVar

from offer_cancellation.ledger.record import Record
from offer_cancellation.portal.answer import Answer, Cause, NoAnswer, Reply, error_of
from offer_cancellation.portal.location import Untrusted
from offer_cancellation.status import Ending, Error, Status

_REFUSALS = (400, 403, 404, 410)  # of a poll: final only once they were the only answer for a while
_NOTHING_SENT = (Cause.THROTTLED, Cause.TOKEN, Cause.NO_TIME)


@dataclass(frozen=True, slots=True)
class Accept:
    """The API works on it. Without a location the adapter knows what to poll.

    `retry_after`: seconds that the API asked for.
    """

    http_status: int
    location: str | None = None
    retry_after: float | None = None
    operation_status: str | None = None
    api_request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Defer:
    """Not now.

    `http_status`: of the cancel call. `retry_after`: seconds that the API asked for.
    `paused_until`: when a pause ends. `was_sent`: something of the cancel call may have left, so it
    was an attempt; `uncertain`: it may have been acted on. `answered` and `error`: the HTTP status
    of the last answer, and what it said, or why there was none. `refused_since`: since when the
    cancel call after an uncertain attempt had no other answer than a refusal.
    """

    cause: str
    http_status: int | None = None
    retry_after: float | None = None
    paused_until: datetime | None = None
    was_sent: bool = True
    uncertain: bool = False
    error: Error | None = None
    answered: int | None = None
    refused_since: datetime | None = None
    api_request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Proceed:
    """Nothing stands in the way of the cancel call.

    `submitted_seen_at`: the record must say so before that call goes out.
    """

    submitted_seen_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PollObservation:
    """What a poll saw that did not end the request. `location` is polled from now on."""

    operation_status: str | None = None
    location: str | None = None
    refused_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """Not done. `polls` counts the poll (0: nothing was sent).

    `retry_after`: seconds that the API asked for. `paused_until`: when a pause ends. `untrusted`:
    a new location that is ignored. `answered` and `error`: the HTTP status of the answer, and what
    it said, or why there was none. `not_understood`: it says nothing about the operation.
    """

    observation: PollObservation
    polls: int = 1
    retry_after: float | None = None
    paused_until: datetime | None = None
    untrusted: Untrusted | None = None
    error: Error | None = None
    answered: int | None = None
    not_understood: bool = False
    api_request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The end of a polled request. `polls` counts the poll (0: nothing was sent)."""

    ending: Ending
    polls: int = 1


class Api(Protocol):
    """What the domain asks of an API: look, cancel, poll. None of them raises.

    `has_time()` says whether one more call would end within the lease; `start_by` is a time of the
    event loop's by which a poll must have begun.
    """

    async def look(self, record: Record, has_time: Callable[[], bool]) -> Proceed | Ending | Defer:
        """What is there now, as far as it must be known before the cancel call."""

    async def cancel(self, record: Record, has_time: Callable[[], bool]) -> Accept | Ending | Defer:
        """The cancel call."""

    async def poll(self, record: Record, start_by: float) -> Pending | Done:
        """Whether an accepted request is done."""

    async def close(self) -> None:
        """Closes the connections."""


_Decision = TypeVar("_Decision", bound=Accept | Defer | Pending | Done | Ending | Proceed)


def identified(decision: _Decision, reply: Reply) -> _Decision:
    """The same with the API's own id of its answer, which its support asks for."""
    if not isinstance(reply, Answer) or reply.request_id is None or isinstance(decision, Proceed):
        return decision
    if isinstance(decision, Done):
        return replace(decision, ending=identified(decision.ending, reply))

    return replace(decision, api_request_id=reply.request_id)


def unanswered_poll(reply: NoAnswer, record: Record) -> Pending:
    """A poll without an answer: it neither begins nor ends a time of refusals."""
    return Pending(
        PollObservation(refused_since=record.refused_since),
        polls=0 if reply.cause in _NOTHING_SENT else 1,
        paused_until=reply.paused_until,
        error=reply.error,
    )


def refused_poll(
    answer: Answer, pending: Pending, record: Record, now: datetime, grace_seconds: float
) -> Pending | Ending | None:
    """A refusal to say how it stands: `failed` once it was the only answer for the grace time.

    None: the answer is no refusal.
    """
    if answer.status not in _REFUSALS:
        return None

    since = record.refused_since or now
    if (now - since).total_seconds() >= grace_seconds:
        return Ending(Status.FAILED, error_of(answer), answer.status)

    observation = PollObservation(refused_since=since)
    return replace(pending, observation=observation, error=error_of(answer))


NO_TIME = Defer(Cause.NO_TIME.value, was_sent=False)
