"""What follows when a message meets the record of its request."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cancel_trigger.meeting import Meeting, meet
from offer_cancellation.status import Status
from tests.unit.samples import NOW, record, seconds


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"status": Status.CANCELED}, Meeting.REPORT_AGAIN, id="canceled"),
        pytest.param({"status": Status.FAILED}, Meeting.REPORT_AGAIN, id="failed"),
        pytest.param({"status": Status.REJECTED}, Meeting.REPORT_AGAIN, id="rejected"),
        pytest.param({"status": Status.EXPIRED}, Meeting.REPORT_AGAIN, id="expired"),
        pytest.param({"lease_until": seconds(1)}, Meeting.LEAVE, id="live lease"),
        pytest.param({"lease_until": seconds(-4.999)}, Meeting.LEAVE, id="lease just over"),
        pytest.param({"lease_until": seconds(-5)}, Meeting.TAKE_OVER, id="lease run out"),
        pytest.param({"lease_until": None}, Meeting.TAKE_OVER, id="no lease"),
        pytest.param(
            {"status": Status.ACCEPTED, "next_try_at": seconds(-60), "lease_until": None},
            Meeting.LEAVE,
            id="accepted",
        ),
        pytest.param(
            {"status": Status.DEFERRED, "next_try_at": seconds(0.001), "lease_until": None},
            Meeting.LEAVE,
            id="deferred, not due",
        ),
        pytest.param(
            {"status": Status.DEFERRED, "next_try_at": NOW, "lease_until": None},
            Meeting.TAKE_OVER,
            id="deferred, due",
        ),
        pytest.param(
            {"status": Status.DEFERRED, "next_try_at": None, "lease_until": None},
            Meeting.TAKE_OVER,
            id="deferred, no time",
        ),
    ],
)
def test_meet(fields: dict[str, Any], expected: Meeting) -> None:
    """Final: report again; held, accepted or not due: nothing to do; else take over."""
    assert expected is meet(record(**fields), NOW)


@given(
    status=st.sampled_from(Status),
    lease=st.none() | st.floats(-100, 100),
    next_try=st.none() | st.floats(-100, 100),
    later=st.floats(0, 100),
)
def test_what_may_be_taken_over_stays_so(
    status: Status, lease: float | None, next_try: float | None, later: float
) -> None:
    """Time alone turns `leave` into `take over`, and never back."""
    met = record(
        status=status,
        lease_until=None if lease is None else seconds(lease),
        next_try_at=None if next_try is None else seconds(next_try),
    )
    first, second = meet(met, NOW), meet(met, seconds(later))
    assert first is second or (first, second) == (Meeting.LEAVE, Meeting.TAKE_OVER)
