"""The record: each step of a request's life, as a pure function to the next."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offer_cancellation.ledger import record as steps
from offer_cancellation.ledger.record import Record, Seen
from offer_cancellation.status import Ending, Error, Status
from tests.unit.samples import NOW, record, seconds

LEASE = 315.0
DEFERRED = record(
    status=Status.DEFERRED,
    attempts=1,
    deferrals=2,
    http_status=503,
    first_attempt_at=seconds(-60),
    lease_until=None,
    next_try_at=NOW,
    due_at=NOW,
)
ACCEPTED = record(
    status=Status.ACCEPTED,
    attempts=1,
    polls=3,
    http_status=202,
    location="/api/operations/1?api-version=2017-10-31",
    operation_status="running",
    accepted_at=seconds(-60),
    lease_until=None,
    next_try_at=NOW,
    refused_since=seconds(-30),
    due_at=NOW,
)


@pytest.mark.parametrize(
    ("now", "expected"),
    [(seconds(3599.999), False), (seconds(3600), True), (seconds(9999), True)],
)
def test_is_past_deadline(now: datetime, expected: bool) -> None:
    """A deadline has passed once it is reached."""
    assert expected is record().is_past_deadline(now)


@pytest.mark.parametrize(
    ("lease_until", "now", "expected"),
    [
        pytest.param(seconds(10), seconds(10), False, id="its end"),
        pytest.param(seconds(10), seconds(14.999), False, id="less than 5 s later"),
        pytest.param(seconds(10), seconds(15), True, id="5 s later"),
        pytest.param(None, NOW, True, id="none"),
    ],
)
def test_is_lease_over(lease_until: datetime | None, now: datetime, expected: bool) -> None:
    """Taking over waits 5 s more than the lease."""
    assert expected is record(lease_until=lease_until).is_lease_over(now)


@pytest.mark.parametrize(
    ("before", "changes"),
    [
        pytest.param(DEFERRED, {"attempts": 1, "uncertain": False}, id="deferred"),
        pytest.param(
            replace(DEFERRED, uncertain=True), {"attempts": 1, "uncertain": True}, id="uncertain"
        ),
        pytest.param(
            replace(DEFERRED, attempts=0),
            {"attempts": 0, "first_attempt_at": seconds(400)},
            id="never posted",
        ),
        pytest.param(
            record(), {"attempts": 1, "uncertain": True, "first_attempt_at": NOW}, id="died"
        ),
        pytest.param(
            record(attempts=2), {"attempts": 3, "uncertain": True}, id="died at a later attempt"
        ),
    ],
)
def test_taken_over(before: Record, changes: dict[str, Any]) -> None:
    """Taking over claims anew; a dead claimer's attempt counts, and is uncertain."""
    expected = replace(
        before,
        status=Status.SUBMITTING,
        lease_until=seconds(715),
        next_try_at=None,
        due_at=seconds(715),
        **changes,
    )
    assert expected == steps.taken_over(before, seconds(400), LEASE)


@pytest.mark.parametrize(
    ("before", "attempts", "first"),
    [
        pytest.param(record(first_attempt_at=seconds(-5)), 1, NOW, id="the first"),
        pytest.param(DEFERRED, 2, seconds(-60), id="the second"),
    ],
)
def test_posting(before: Record, attempts: int, first: datetime) -> None:
    """Each POST counts as an attempt, and the first one's time is kept."""
    expected = replace(before, attempts=attempts, first_attempt_at=first)
    assert expected == steps.posting(before, NOW)


@pytest.mark.parametrize(
    ("until", "http_status", "uncertain", "changes"),
    [
        pytest.param(seconds(30), 503, False, {"http_status": 503}, id="an answer"),
        pytest.param(seconds(30), None, True, {"uncertain": True}, id="uncertain"),
        pytest.param(
            seconds(9999),
            None,
            False,
            {"next_try_at": seconds(3600), "due_at": seconds(3600)},
            id="not past the deadline",
        ),
    ],
)
def test_deferred(
    until: datetime, http_status: int | None, uncertain: bool, changes: dict[str, Any]
) -> None:
    """A deferred request is due at its next attempt, never later than the deadline."""
    before = record(attempts=1)
    expected = replace(
        before,
        **{
            "status": Status.DEFERRED,
            "deferrals": 1,
            "lease_until": None,
            "next_try_at": seconds(30),
            "due_at": seconds(30),
            **changes,
        },
    )
    assert expected == steps.deferred(before, until, http_status, uncertain=uncertain)


def test_deferred_keeps_what_it_knew() -> None:
    """Uncertainty, and the last answer's status, outlive an attempt without an answer."""
    before = record(uncertain=True, http_status=502, deferrals=4)
    assert not steps.deferred(record(), seconds(30)).uncertain
    after = steps.deferred(before, seconds(30))
    assert (True, 502, 5) == (after.uncertain, after.http_status, after.deferrals)


@pytest.mark.parametrize(
    ("due_at", "deadline", "expected"),
    [
        pytest.param(seconds(315), seconds(3600), (NOW, seconds(315)), id="a lease later"),
        pytest.param(seconds(315), seconds(100), (NOW, seconds(100)), id="its deadline first"),
        pytest.param(seconds(315), seconds(-1), (seconds(-1), seconds(-1)), id="past it"),
    ],
)
def test_released(
    due_at: datetime, deadline: datetime, expected: tuple[datetime, datetime]
) -> None:
    """A claim given up is free at once; its due row waits, never longer than the deadline."""
    after = steps.released(record(deadline=deadline), NOW, due_at, uncertain=True)
    assert (Status.DEFERRED, True, None) == (after.status, after.uncertain, after.lease_until)
    assert expected == (after.next_try_at, after.due_at)


@pytest.mark.parametrize(
    ("next_poll", "due"),
    [
        pytest.param(seconds(15), seconds(15), id="next poll"),
        pytest.param(seconds(9999), seconds(3600), id="not past the deadline"),
    ],
)
def test_accepted(next_poll: datetime, due: datetime) -> None:
    """An accepted request is due at its next poll, never later than the deadline."""
    before = record(attempts=1)
    expected = replace(
        before,
        status=Status.ACCEPTED,
        http_status=202,
        location="/api/x",
        accepted_at=NOW,
        lease_until=None,
        next_try_at=due,
        due_at=due,
    )
    assert expected == steps.accepted(before, NOW, next_poll, 202, "/api/x")


@pytest.mark.parametrize(
    ("seen", "changes"),
    [
        pytest.param(Seen(), {"refused_since": None}, id="nothing new"),
        pytest.param(
            Seen("Waiting", "/api/y", NOW),
            {"operation_status": "Waiting", "location": "/api/y", "refused_since": NOW},
            id="all new",
        ),
        pytest.param(
            Seen("a\n" * 200), {"operation_status": "a " * 63 + "a…", "refused_since": None},
            id="a long status",
        ),
    ],
)  # fmt: skip
def test_pending(seen: Seen, changes: dict[str, Any]) -> None:
    """A poll that was not the last keeps the raw status, a new location, and moves the due row."""
    expected = replace(ACCEPTED, polls=4, next_try_at=seconds(30), due_at=seconds(30), **changes)
    assert expected == steps.pending(ACCEPTED, seconds(30), 1, seen)


def test_pending_until_the_deadline() -> None:
    """The next poll is never later than the deadline."""
    after = steps.pending(ACCEPTED, seconds(9999), 0, Seen())
    assert (3, seconds(3600), seconds(3600)) == (after.polls, after.next_try_at, after.due_at)


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        pytest.param(DEFERRED, seconds(1), seconds(316), id="a lease"),
        pytest.param(DEFERRED, seconds(1000), seconds(2000), id="as long as it is overdue"),
        pytest.param(DEFERRED, seconds(3500), seconds(3600), id="not past the deadline"),
        pytest.param(record(), seconds(320), seconds(635), id="died"),
        pytest.param(record(), seconds(3500), seconds(6685), id="died, past the deadline"),
        pytest.param(
            replace(DEFERRED, next_try_at=None), seconds(9), seconds(324), id="no time at all"
        ),
    ],
)
def test_put_back(before: Record, now: datetime, expected: datetime) -> None:
    """Put back on the queue, a request's due row moves on, and nothing else changes."""
    assert replace(before, due_at=expected) == steps.put_back(before, now, LEASE)


def test_finished() -> None:
    """The end holds what decided it; the due row is left to whoever writes the record."""
    ending = Ending(Status.FAILED, Error("Bad", "a\nb"), 404, "gone", "/api/z")
    expected = replace(
        ACCEPTED,
        status=Status.FAILED,
        error_code="Bad",
        error_message="a b",
        http_status=404,
        operation_status="gone",
        location="/api/z",
        next_try_at=None,
        finished_at=NOW,
    )
    assert expected == steps.finished(ACCEPTED, NOW, ending)
    assert Error("Bad", "a b") == expected.error


def test_finished_without_news() -> None:
    """What an ending does not say stays as the record has it; a good end has no error."""
    before = replace(ACCEPTED, error_code="old", error_message="old", lease_until=NOW)
    expected = replace(ACCEPTED, status=Status.CANCELED, next_try_at=None, finished_at=seconds(9))
    assert expected == steps.finished(before, seconds(9), Ending(Status.CANCELED))
    assert expected.error is None


def test_finished_is_bounded() -> None:
    """Long texts are cut, and end in `…`."""
    long = "x" * 10_000
    after = steps.finished(
        record(), NOW, Ending(Status.REJECTED, Error(long, long), 400, long, long)
    )
    cut = (after.error_code, after.error_message, after.operation_status, after.location)
    assert tuple("x" * (most - 1) + "…" for most in (128, 6000, 128, 4096)) == cut


def test_error_without_message() -> None:
    """An error whose message was emptied by hand is still an error."""
    assert Error("Bad", "") == record(error_code="Bad").error


def test_expired() -> None:
    """A request whose deadline passed is `expired`, code `DeadlinePassed`."""
    after = steps.expired(ACCEPTED, seconds(3600))
    error = Error("DeadlinePassed", "not done by 2030-01-31T13:00:00.250Z")
    assert (Status.EXPIRED, error) == (after.status, after.error)
    assert (202, seconds(3600), NOW) == (after.http_status, after.finished_at, after.due_at)


@given(
    now=st.floats(0, 10_000),
    until=st.floats(0, 20_000),
    before=st.sampled_from([record(), DEFERRED, ACCEPTED]),
)
def test_one_due_row(now: float, until: float, before: Record) -> None:
    """Whatever is not final has a due row, and only a lease may end after the deadline."""
    moment, then = seconds(now), seconds(until)
    after = [
        steps.deferred(before, then),
        steps.released(before, moment, then, uncertain=False),
        steps.accepted(before, moment, then, 202, None),
        steps.pending(ACCEPTED, then, 1, Seen()),
        steps.put_back(DEFERRED, moment, LEASE),
    ]
    assert all(one.due_at and one.due_at <= one.deadline for one in after)
    taken = steps.taken_over(before, moment, LEASE)
    assert taken.due_at == taken.lease_until
