"""What a record asks for now: one table for both functions."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offer_cancellation.next_step import NextStep, next_step
from offer_cancellation.status import Status
from tests.unit.samples import NOW, record, seconds

FREE = {"lease_until": None, "next_try_at": NOW}
DEFERRED = {"status": Status.DEFERRED, "lease_until": None}
LATE = {"deadline": NOW}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"status": Status.CANCELED}, NextStep.REPORT, id="canceled"),
        pytest.param({"status": Status.FAILED}, NextStep.REPORT, id="failed"),
        pytest.param({"status": Status.REJECTED}, NextStep.REPORT, id="rejected"),
        pytest.param({"status": Status.EXPIRED}, NextStep.REPORT, id="expired"),
        pytest.param({"status": Status.ACCEPTED, **FREE}, NextStep.POLL, id="accepted"),
        pytest.param(
            {"status": Status.ACCEPTED, **FREE, **LATE}, NextStep.POLL, id="accepted, late"
        ),
        pytest.param({"lease_until": seconds(1)}, NextStep.LEAVE, id="lease held"),
        pytest.param({"lease_until": seconds(1), **LATE}, NextStep.LEAVE, id="held, late"),
        pytest.param({"lease_until": seconds(-4.999)}, NextStep.LEAVE, id="lease just over"),
        pytest.param({"lease_until": seconds(-5)}, NextStep.RESUME, id="lease over"),
        pytest.param({"lease_until": None}, NextStep.RESUME, id="no lease"),
        pytest.param({"lease_until": None, **LATE}, NextStep.EXPIRE, id="no lease, late"),
        pytest.param({"lease_until": None, "deaths": 3}, NextStep.RESUME, id="the fourth died"),
        pytest.param({"lease_until": None, "deaths": 4}, NextStep.GIVE_UP, id="the fifth died"),
        pytest.param(
            {"lease_until": seconds(-4), "deaths": 4}, NextStep.LEAVE, id="the fifth may live"
        ),
        pytest.param({**DEFERRED, "next_try_at": NOW}, NextStep.RESUME, id="deferred, due"),
        pytest.param(
            {**DEFERRED, "next_try_at": seconds(5)}, NextStep.RESUME, id="deferred, due in 5 s"
        ),
        pytest.param(
            {**DEFERRED, "next_try_at": seconds(5.001)}, NextStep.LEAVE, id="deferred, not due"
        ),
        pytest.param({**DEFERRED, "next_try_at": None}, NextStep.RESUME, id="deferred, no time"),
        pytest.param(
            {**DEFERRED, "next_try_at": seconds(60), **LATE}, NextStep.EXPIRE, id="deferred, late"
        ),
    ],
)
def test_next_step(fields: dict[str, Any], expected: NextStep) -> None:
    """Each row of the table, and where it turns into the next one."""
    assert expected is next_step(record(**fields), NOW)


@pytest.mark.parametrize(
    ("over_for", "expected"), [(9.999, NextStep.LEAVE), (10.0, NextStep.RESUME)]
)
def test_lease_margin(over_for: float, expected: NextStep) -> None:
    """Who asks says how long after its lease a claimer is presumed dead."""
    held = record(lease_until=seconds(-over_for))

    assert expected is next_step(held, NOW, lease_margin=10.0)


@given(
    status=st.sampled_from(Status),
    lease=st.none() | st.floats(-100, 100),
    next_try=st.none() | st.floats(-100, 100),
    deadline=st.floats(-100, 100),
    later=st.floats(0, 100),
)
def test_time_goes_one_way(
    status: Status, lease: float | None, next_try: float | None, deadline: float, later: float
) -> None:
    """Time alone turns `leave` into something to do, and that only into the end."""
    met = record(
        status=status,
        lease_until=None if lease is None else seconds(lease),
        next_try_at=None if next_try is None else seconds(next_try),
        deadline=seconds(deadline),
    )
    order = [NextStep.LEAVE, NextStep.RESUME, NextStep.EXPIRE]

    first, second = next_step(met, NOW), next_step(met, seconds(later))

    assert first is second or order.index(first) < order.index(second)
