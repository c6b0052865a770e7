"""Times: aware UTC in whole milliseconds."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offer_cancellation import clock
from tests.unit.samples import NOW, moments

PRAGUE = timezone(timedelta(hours=1))


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        pytest.param(datetime(2030, 1, 31, 12, 0, 0, 250_999, UTC), NOW, id="cut, not rounded"),
        pytest.param(datetime(2030, 1, 31, 13, 0, 0, 250_000, PRAGUE), NOW, id="brought to UTC"),
        pytest.param(NOW, NOW, id="as it is"),
    ],
)
def test_whole_milliseconds(moment: datetime, expected: datetime) -> None:
    """A time is kept in UTC, cut to milliseconds."""
    whole = clock.whole_milliseconds(moment)
    assert (expected, UTC) == (whole, whole.tzinfo)


def test_utc_now() -> None:
    """The current time is one of these."""
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    now = clock.utc_now()
    assert before <= now <= datetime.now(UTC)
    assert now == clock.whole_milliseconds(now)


@pytest.mark.parametrize(
    ("wait", "expected"),
    [
        pytest.param(1.5, datetime(2030, 1, 31, 12, 0, 1, 750_000, UTC), id="later"),
        pytest.param(0.0009, NOW, id="less than a millisecond"),
        pytest.param(-0.25, datetime(2030, 1, 31, 12, 0, 0, 0, UTC), id="earlier"),
    ],
)
def test_after(wait: float, expected: datetime) -> None:
    """Waits end in whole milliseconds, too."""
    assert expected == clock.after(NOW, wait)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        pytest.param(NOW, "2030-01-31T12:00:00.250Z", id="milliseconds"),
        pytest.param(NOW.replace(microsecond=0), "2030-01-31T12:00:00.000Z", id="always given"),
        pytest.param(
            datetime(2030, 2, 1, 0, 30, tzinfo=PRAGUE), "2030-01-31T23:30:00.000Z", id="UTC"
        ),
    ],
)
def test_rfc3339(moment: datetime, expected: str) -> None:
    """Times are written in UTC with `Z` and milliseconds."""
    assert expected == clock.rfc3339(moment)


@given(pair=st.tuples(moments, moments))
def test_rfc3339_sorts_as_time_does(pair: tuple[datetime, datetime]) -> None:
    """Texts of times sort as the times do, and read back as they were."""
    earlier, later = sorted(pair)
    assert clock.rfc3339(earlier) <= clock.rfc3339(later)
    assert earlier == datetime.fromisoformat(clock.rfc3339(earlier))
