"""The steps of a request's life, each a pure function from one record to the next."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offer_cancellation import transitions
from offer_cancellation.ledger.record import Record
from offer_cancellation.status import Ending, Error, Status
from offer_cancellation.transitions import Reason
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


DIED = {"attempts": 1, "deaths": 1, "uncertain": True, "uncertain_since": NOW}


@pytest.mark.parametrize(
    ("before", "changes"),
    [
        pytest.param(DEFERRED, {}, id="deferred"),
        pytest.param(replace(DEFERRED, first_attempt_at=None),
                     {"first_attempt_at": seconds(400)}, id="never attempted"),
        pytest.param(replace(DEFERRED, deaths=2), {"deaths": 2}, id="deferred after deaths"),
        pytest.param(record(), DIED, id="died"),
        pytest.param(record(attempts=2, deaths=1), {**DIED, "attempts": 3, "deaths": 2},
                     id="died again"),
        pytest.param(record(uncertain=True, uncertain_since=seconds(-60)),
                     {**DIED, "uncertain_since": seconds(-60)}, id="uncertain before"),
    ],
)  # fmt: skip
def test_taken_over(before: Record, changes: dict[str, Any]) -> None:
    """Taking over claims anew; a dead claimer's attempt counts, and is uncertain."""
    expected = replace(
        before,
        **{
            "status": Status.SUBMITTING,
            "attempt_at": seconds(400),
            "lease_until": seconds(715),
            "next_try_at": None,
            "due_at": seconds(715),
            **changes,
        },
    )

    assert expected == transitions.taken_over(before, seconds(400), LEASE)


def test_posting() -> None:
    """Each POST counts as an attempt, which begins with it."""
    expected = replace(DEFERRED, attempts=2, attempt_at=NOW)

    assert expected == transitions.posting(DEFERRED, NOW)


@pytest.mark.parametrize(
    ("until", "http_status", "uncertain", "changes"),
    [
        pytest.param(seconds(30), 503, False, {"http_status": 503}, id="an answer"),
        pytest.param(
            seconds(30), None, True, {"uncertain": True, "uncertain_since": NOW}, id="uncertain"
        ),
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
    assert expected == transitions.deferred(
        before, until, http_status=http_status, uncertain=uncertain
    )


def test_deferred_keeps_what_it_knew() -> None:
    """Uncertainty, and the last answer's status, outlive an attempt without an answer."""
    before = record(uncertain=True, http_status=502, deferrals=4)
    assert not transitions.deferred(record(), seconds(30)).uncertain
    after = transitions.deferred(before, seconds(30))
    assert (True, 502, 5) == (after.uncertain, after.http_status, after.deferrals)


REFUSED = Reason(500, Error("Busy", "try\nlater"))


def test_deferred_keeps_the_reason() -> None:
    """The record says what the last answer said, in one line."""
    after = transitions.deferred(record(), seconds(30), reason=REFUSED)

    assert (500, "Busy", "try later") == (after.last_status, after.last_code, after.last_message)


def test_a_good_answer_clears_the_reason() -> None:
    """A later answer without an error takes the place of one that had one."""
    before = transitions.deferred(record(), seconds(30), reason=REFUSED)

    after = transitions.accepted(before, NOW, seconds(15), 202, None)

    assert (202, None, None) == (after.last_status, after.last_code, after.last_message)


@pytest.mark.parametrize("reason", [None, Reason()])
def test_no_answer_keeps_the_last_reason(reason: Reason | None) -> None:
    """A try that was not sent says nothing new."""
    before = transitions.deferred(record(), seconds(30), reason=REFUSED)

    after = transitions.deferred(before, seconds(60), reason=reason)

    assert (500, "Busy") == (after.last_status, after.last_code)


def test_an_answer_ends_a_row_of_deaths() -> None:
    """A claimer that wrote its result was alive."""
    before = record(deaths=3)

    assert 0 == transitions.deferred(before, seconds(30)).deaths
    assert 0 == transitions.accepted(before, NOW, seconds(15), 202, None).deaths
    assert 3 == transitions.released(before, NOW, LEASE, uncertain=False).deaths


def test_the_first_uncertain_attempt_is_remembered() -> None:
    """Later ones, uncertain or not, do not move its time."""
    first = transitions.deferred(
        transitions.posting(record(), seconds(3)), seconds(30), uncertain=True
    )
    second = transitions.taken_over(first, seconds(40), LEASE)
    third = transitions.deferred(
        transitions.posting(second, seconds(41)), seconds(90), uncertain=True
    )

    assert [seconds(3)] * 3 == [first.uncertain_since, second.uncertain_since,
                                third.uncertain_since]  # fmt: skip


@pytest.mark.parametrize(
    ("deadline", "expected"),
    [
        pytest.param(seconds(3600), (NOW, seconds(315)), id="a lease later"),
        pytest.param(seconds(100), (NOW, seconds(100)), id="its deadline first"),
        pytest.param(seconds(-1), (seconds(-1), seconds(-1)), id="past it"),
    ],
)
def test_released(deadline: datetime, expected: tuple[datetime, datetime]) -> None:
    """A claim given up is free at once; its due row waits, never longer than the deadline."""
    after = transitions.released(record(deadline=deadline), NOW, LEASE, uncertain=True)

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
        last_status=202,
        lease_until=None,
        next_try_at=due,
        due_at=due,
    )
    assert expected == transitions.accepted(before, NOW, next_poll, 202, "/api/x")


@pytest.mark.parametrize(
    ("observed", "changes"),
    [
        pytest.param({}, {"refused_since": None}, id="nothing new"),
        pytest.param(
            {"operation_status": "Waiting", "location": "/api/y", "refused_since": NOW},
            {"operation_status": "Waiting", "location": "/api/y", "refused_since": NOW},
            id="all new",
        ),
        pytest.param(
            {"operation_status": "a\n" * 200},
            {"operation_status": "a " * 63 + "a…", "refused_since": None},
            id="a long status",
        ),
    ],
)
def test_polled(observed: dict[str, Any], changes: dict[str, Any]) -> None:
    """A poll that was not the last keeps the raw status, a new location, and moves the due row."""
    expected = replace(ACCEPTED, polls=4, next_try_at=seconds(30), due_at=seconds(30), **changes)

    assert expected == transitions.polled(ACCEPTED, seconds(30), polls=1, **observed)


def test_polled_until_the_deadline() -> None:
    """The next poll is never later than the deadline."""
    after = transitions.polled(ACCEPTED, seconds(9999), polls=0)

    assert (3, seconds(3600), seconds(3600)) == (after.polls, after.next_try_at, after.due_at)


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        pytest.param(DEFERRED, seconds(1), seconds(316), id="a lease"),
        pytest.param(DEFERRED, seconds(1000), seconds(2000), id="as long as it is overdue"),
        pytest.param(DEFERRED, seconds(3500), seconds(3600), id="not past the deadline"),
        pytest.param(record(), seconds(320), seconds(635), id="died"),
        pytest.param(record(), seconds(3500), seconds(3600), id="died, its deadline first"),
        pytest.param(
            replace(DEFERRED, next_try_at=None), seconds(9), seconds(324), id="no time at all"
        ),
    ],
)
def test_put_back(before: Record, now: datetime, expected: datetime) -> None:
    """Put back on the queue, a request's due row moves on, and nothing else changes."""
    moved = transitions.put_back(before, now, LEASE, jitter=lambda: 0.0)

    assert moved == replace(before, due_at=expected)


@pytest.mark.parametrize(("deaths", "leases"), [(0, 1), (1, 2), (3, 4)])
def test_put_back_after_deaths(deaths: int, leases: int) -> None:
    """Requests whose claimers died together part: up to a lease more for each death."""
    before = record(deaths=deaths, deadline=seconds(10**6))

    moved = transitions.put_back(before, seconds(325), LEASE, jitter=lambda: 1.0)

    assert seconds(325 + LEASE * (1 + leases)) == moved.due_at


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
    assert expected == transitions.finished(ACCEPTED, NOW, ending)
    assert Error("Bad", "a b") == expected.error


def test_finished_without_news() -> None:
    """What an ending does not say stays as the record has it; a good end has no error."""
    before = replace(ACCEPTED, error_code="old", error_message="old", lease_until=NOW)
    expected = replace(ACCEPTED, status=Status.CANCELED, next_try_at=None, finished_at=seconds(9))
    assert expected == transitions.finished(before, seconds(9), Ending(Status.CANCELED))
    assert expected.error is None


def test_finished_is_bounded() -> None:
    """Long texts are cut, and end in `…`."""
    long = "x" * 10_000
    after = transitions.finished(
        record(), NOW, Ending(Status.REJECTED, Error(long, long), 400, long, long)
    )
    cut = (after.error_code, after.error_message, after.operation_status, after.location)
    assert cut == tuple("x" * (most - 1) + "…" for most in (128, 6000, 128, 4096))


def test_error_without_message() -> None:
    """An error whose message was emptied by hand is still an error."""
    assert Error("Bad", "") == record(error_code="Bad").error


def test_expired() -> None:
    """A request whose deadline passed is `expired`, code `DeadlinePassed`."""
    after = transitions.expired(ACCEPTED, seconds(3600))
    error = Error("DeadlinePassed", "not done by 2030-01-31T13:00:00.250Z")
    assert (Status.EXPIRED, error) == (after.status, after.error)
    assert (202, seconds(3600), NOW) == (after.http_status, after.finished_at, after.due_at)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"last_status": 500, "last_code": "Busy", "last_message": "not migrated"},
                     "HTTP 500 Busy: not migrated", id="all"),
        pytest.param({"last_status": 503}, "HTTP 503", id="a status"),
        pytest.param({"last_code": "network", "last_message": "refused"}, "network: refused",
                     id="no answer"),
    ],
)  # fmt: skip
def test_expired_names_the_last_answer(fields: dict[str, Any], expected: str) -> None:
    """Why it waited until its deadline stands in the error."""
    after = transitions.expired(replace(ACCEPTED, **fields), seconds(3600))

    text = f"not done by 2030-01-31T13:00:00.250Z; the last answer was {expected}"
    assert text == after.error_message


def test_expired_after_a_death() -> None:
    """A claimer that died may have posted."""
    after = transitions.expired(record(), seconds(3700))

    assert (Status.EXPIRED, 1, True) == (after.status, after.attempts, after.uncertain)


def test_given_up() -> None:
    """What its claimers die of ends as a bug does, and is uncertain."""
    after = transitions.given_up(record(deaths=4), seconds(400))

    assert (Status.FAILED, "InternalError", True, 5) == (
        after.status, after.error_code, after.uncertain, after.deaths
    )  # fmt: skip


@pytest.mark.parametrize(
    ("since", "wait"),
    [(0.0, 30.0), (10.0, 30.0), (200.0, 200.0), (3599.0, 3599.0), (9000.0, 3600.0)],
)
def test_owed(since: float, wait: float) -> None:
    """An event that cannot be sent is tried again ever more rarely, at most an hour apart."""
    final = replace(ACCEPTED, status=Status.CANCELED, finished_at=NOW)

    moved = transitions.owed(final, seconds(since))

    assert moved == replace(final, due_at=seconds(since + wait))


def test_rerun() -> None:
    """A new run remembers who asks for what, and nothing of how the last one ended."""
    ended = transitions.finished(
        replace(ACCEPTED, uncertain=True, uncertain_since=NOW, deaths=2, last_status=500),
        NOW,
        Ending(Status.FAILED, Error("Bad", "bad"), 404, "gone"),
    )

    after = transitions.rerun(ended, seconds(9), seconds(7200))

    assert after == replace(
        record(),
        run=2,
        attempts=1,
        status=Status.DEFERRED,
        deadline=seconds(7200),
        first_attempt_at=None,
        attempt_at=None,
        lease_until=None,
        next_try_at=seconds(9),
        due_at=seconds(9),
    )


@pytest.mark.parametrize(("given", "expected"), [(9999, 9999), (60, 3600)])
def test_extended(given: float, expected: float) -> None:
    """A deadline is never moved to an earlier time."""
    assert seconds(expected) == transitions.extended(ACCEPTED, seconds(given)).deadline


@given(
    now=st.floats(0, 10_000),
    until=st.floats(0, 20_000),
    before=st.sampled_from([record(), DEFERRED, ACCEPTED]),
)
def test_one_due_row(now: float, until: float, before: Record) -> None:
    """Whatever is not final has a due row, and only a lease may end after the deadline."""
    moment, then = seconds(now), seconds(until)
    after = [
        transitions.deferred(before, then),
        transitions.released(before, moment, LEASE, uncertain=False),
        transitions.accepted(before, moment, then, 202, None),
        transitions.polled(ACCEPTED, then, polls=1),
        transitions.put_back(DEFERRED, moment, LEASE, lambda: 0.5),
    ]
    assert all(one.due_at and one.due_at <= one.deadline for one in after)
    taken = transitions.taken_over(before, moment, LEASE)
    assert taken.due_at == taken.lease_until
