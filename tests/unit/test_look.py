"""What an offer's submissions say of a cancellation whose own answer is not known."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offer_cancellation.portal.look import Found, Start, is_new, judge_ended
from offer_cancellation.portal.operation import Operation
from offer_cancellation.status import Status
from tests.unit.samples import NOW, moments, record, seconds

START = Start(new=NOW, canceled=NOW)


@pytest.mark.parametrize(
    ("created", "clock_offset", "expected"),
    [
        pytest.param(None, 0, False, id="no time"),
        pytest.param(-60, 0, False, id="before"),
        pytest.param(10, 0, False, id="10 s after: clocks differ"),
        pytest.param(10.001, 0, True, id="later"),
        pytest.param(10.001, -1, False, id="by a clock that is ahead"),
        pytest.param(0, 11, True, id="by a clock that is behind"),
    ],
)
def test_is_new(created: float | None, clock_offset: float, expected: bool) -> None:
    """New is what began more than 10 s after the POST, by the app's clock."""
    created_at = None if created is None else seconds(created)
    assert expected is is_new(created_at, START, clock_offset)


@pytest.mark.parametrize(
    ("changed", "clock_offset", "expected"),
    [
        pytest.param(None, 0, Found.CANCELED, id="no time"),
        pytest.param(5, 0, Found.CANCELED, id="since"),
        pytest.param(-10, 0, Found.CANCELED, id="10 s before: clocks differ"),
        pytest.param(-10.001, 0, Found.ENDED, id="earlier"),
        pytest.param(-10.001, 1, Found.CANCELED, id="by a clock that is behind"),
        pytest.param(-5, -6, Found.ENDED, id="by a clock that is ahead"),
    ],
)
@pytest.mark.parametrize("status", ["canceled", "Cancelled", "CANCELED "])
def test_canceled(changed: float | None, clock_offset: float, expected: Found, status: str) -> None:
    """A cancellation counts as this request's unless it was there before its POST."""
    changed_at = None if changed is None else seconds(changed)
    latest = Operation(status, created_at=seconds(-9999), changed_at=changed_at)
    finding = judge_ended([latest], START, clock_offset)
    assert (expected, status) == (finding.found, finding.raw_status)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("completed", Found.ENDED),
        ("Succeeded", Found.ENDED),
        ("failed", Found.ENDED),
        ("waitingForPublisherReview", Found.ACTIVE),
        ("brewing", Found.ACTIVE),
    ],
)
def test_other_states(status: str, expected: Found) -> None:
    """What ended by itself was not canceled; any other state counts as running and not new."""
    finding = judge_ended([Operation(status, changed_at=seconds(5))], START, 0)
    assert (expected, status) == (finding.found, finding.raw_status)


def test_empty_list() -> None:
    """Nothing at all: what ran is gone."""
    finding = judge_ended([], START, 0)
    assert (Found.CANCELED, None) == (finding.found, finding.raw_status)


@pytest.mark.parametrize(
    "others",
    [
        pytest.param([Operation("failed", changed_at=seconds(-1))], id="by the last change"),
        pytest.param([Operation("failed", created_at=seconds(-1))], id="by its creation"),
        pytest.param([Operation("failed")], id="without a time"),
        pytest.param(
            [Operation("failed", created_at=seconds(99), changed_at=seconds(-1))],
            id="the change before the creation",
        ),
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_the_latest_decides(others: list[Operation], is_first: bool) -> None:
    """That is the one that was changed last, wherever in the list it is."""
    latest = Operation("canceled", created_at=seconds(-9999), changed_at=NOW)
    items = [latest, *others] if is_first else [*others, latest]
    assert Found.CANCELED is judge_ended(items, START, 0).found


def test_the_first_decides_without_times() -> None:
    """Where no item has a time, the first of the list is taken for the latest."""
    items = [Operation("canceled"), Operation("failed")]
    assert Found.CANCELED is judge_ended(items, START, 0).found
    assert Found.ENDED is judge_ended(items[::-1], START, 0).found


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param(
            {"uncertain_since": seconds(5)}, Start(seconds(5), seconds(5)), id="uncertain"
        ),
        pytest.param({}, Start(NOW, NOW), id="an older row: the first attempt"),
        pytest.param(
            {"first_attempt_at": None}, Start(seconds(-10), seconds(-10)), id="not even that"
        ),
        pytest.param(
            {"status": Status.ACCEPTED, "accepted_at": seconds(9), "uncertain_since": seconds(5)},
            Start(seconds(9), NOW),
            id="accepted",
        ),
        pytest.param({"status": Status.ACCEPTED}, Start(NOW, NOW), id="an older accepted row"),
    ],
)
def test_start(changes: dict[str, object], expected: Start) -> None:
    """Times count from the first uncertain attempt, or from the POST that was accepted."""
    assert expected == Start.of(record(**changes))


@given(
    items=st.lists(
        st.builds(
            Operation,
            st.sampled_from(["canceled", "failed", "completed", "odd"]),
            created_at=st.none() | moments,
            changed_at=st.none() | moments,
        ),
        max_size=5,
    ),
    start=moments,
    clock_offset=st.floats(-1e12, 1e12),
)
def test_any_list(items: list[Operation], start: datetime, clock_offset: float) -> None:
    """Whatever times a list holds, there is a verdict, and never that something new runs."""
    finding = judge_ended(items, Start(start, start), clock_offset)
    assert finding.found is not Found.NEW
    assert not items or finding.raw_status in {item.raw_status for item in items}
