"""How a request's record begins, and how a bug or an edit changes it."""

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from offer_cancellation import transitions
from offer_cancellation.request import CancelRequest, parse
from offer_cancellation.settings import load
from offer_cancellation.status import Status
from tests.unit.samples import NOW, record, seconds

SETTINGS = load({"CANCEL_STORAGE": "UseDevelopmentStorage=true"})
HOUR = 3600.0


def request(**fields: Any) -> CancelRequest:
    """A valid request with these fields."""
    valid = {"publisherId": "contoso", "offerId": "contoso-offer", "requestId": "nightly"}
    found = parse(json.dumps({**valid, **fields}), "m1")
    assert isinstance(found, CancelRequest)
    return found


def test_claimed() -> None:
    """A claim holds for a lease, and its due row stands at the end of it."""
    found = transitions.claimed(request(), seconds(-10), NOW, SETTINGS)

    expected = replace(record(deadline=seconds(24 * HOUR - 10)), source="/offer-cancellation/local")
    assert expected == found


def test_adopted() -> None:
    """What nobody has claimed yet is deferred, due now, and has posted nothing."""
    found = transitions.adopted(request(), seconds(-10), NOW, SETTINGS)

    assert (Status.DEFERRED, NOW, NOW, 0, False) == (
        found.status, found.next_try_at, found.due_at, found.attempts, found.uncertain
    )  # fmt: skip


@pytest.mark.parametrize(
    ("inserted_at", "expires_at", "requested_at", "deadline"),
    [
        pytest.param(seconds(-10), None, seconds(-10), seconds(24 * HOUR - 10), id="default"),
        pytest.param(seconds(60), None, NOW, seconds(24 * HOUR), id="inserted later than now"),
        pytest.param(NOW, "2030-01-31T13:00:00.250Z", NOW, seconds(HOUR), id="its own"),
        pytest.param(NOW, "2031-01-31T13:00:00Z", NOW, seconds(24 * HOUR), id="never later"),
    ],
)
def test_times(
    inserted_at: datetime, expires_at: str | None, requested_at: datetime, deadline: datetime
) -> None:
    """The deadline counts from the insertion, which does not lie in the future."""
    given = {"expiresAt": expires_at} if expires_at else {}

    found = transitions.adopted(request(**given), inserted_at, NOW, SETTINGS)

    assert (requested_at, deadline) == (found.requested_at, found.deadline)


@pytest.mark.parametrize("has_posted", [True, False])
def test_failed_by_bug(has_posted: bool) -> None:
    """The event names the bug's type alone; where its POST had begun, it is uncertain."""
    found = transitions.failed_by_bug(record(), NOW, KeyError("secret"), has_posted=has_posted)

    assert (Status.FAILED, "InternalError", has_posted) == (
        found.status, found.error_code, found.uncertain
    )  # fmt: skip
    assert "an unexpected KeyError; see the logs" == found.error_message


def test_counted() -> None:
    """Polls of another timer count."""
    assert 5 == transitions.counted(record(polls=3), 2).polls


@pytest.mark.parametrize(
    ("due_at", "expected"),
    [
        pytest.param(None, seconds(9), id="removed"),
        pytest.param(seconds(99_999), seconds(9), id="out of reach"),
        pytest.param(seconds(300), seconds(300), id="in reach"),
    ],
)
def test_with_due_time(due_at: datetime | None, expected: datetime) -> None:
    """An edit that nobody would come back from is undone."""
    assert expected == transitions.with_due_time(record(due_at=due_at), seconds(9)).due_at


def test_new_reason_fields() -> None:
    """Why it waits is told when it is new, and not again."""
    before = record()
    after = replace(before, last_status=500, last_code="Busy", last_message="later")

    assert {} == after.new_reason_fields(after)
    assert {"lastStatus": 500, "lastCode": "Busy", "lastMessage": "later"} == (
        after.new_reason_fields(before)
    )
