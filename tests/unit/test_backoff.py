"""The wait before a poll or an attempt."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offer_cancellation.backoff import Backoff
from tests.unit.samples import NOW, seconds

ALMOST_ONE = 1 - 2**-53  # the most that random.random gives


@pytest.mark.parametrize(
    ("tries", "shortest", "longest"),
    [
        pytest.param(0, 15, 30, id="first"),
        pytest.param(1, 30, 60, id="second"),
        pytest.param(2, 60, 120, id="third"),
        pytest.param(3, 120, 240, id="fourth"),
        pytest.param(4, 150, 300, id="capped"),
        pytest.param(10_000, 150, 300, id="capped for good"),
    ],
)
def test_seconds(tries: int, shortest: float, longest: float) -> None:
    """The wait is exponential with jitter between BACKOFF_FIRST_SECONDS and _MAX_SECONDS."""
    assert shortest == Backoff(15, 300, lambda: 0.0).seconds(tries)
    assert longest == pytest.approx(Backoff(15, 300, lambda: ALMOST_ONE).seconds(tries))


@pytest.mark.parametrize("retry_after", [0.5, 1.0, 3600.0])
def test_retry_after_wins(retry_after: float) -> None:
    """A Retry-After of the API wins over the backoff."""
    assert retry_after == Backoff(15, 300, lambda: 0.5).seconds(3, retry_after)


@pytest.mark.parametrize(
    ("retry_after", "expected"),
    [
        pytest.param(None, seconds(22.5), id="backoff"),
        pytest.param(90, seconds(90), id="retry_after"),
    ],
)
def test_until(retry_after: float | None, expected: datetime) -> None:
    """The next try is that wait away from now."""
    assert expected == Backoff(15, 300, lambda: 0.5).until(NOW, 0, retry_after)


@pytest.mark.parametrize(
    ("jitter", "expected"),
    [
        pytest.param(0.0, seconds(60), id="the first at its end"),
        pytest.param(0.5, seconds(75), id="the others later"),
    ],
)
def test_spread(jitter: float, expected: datetime) -> None:
    """After a common pause not everybody comes back at once, and nobody before its end."""
    assert expected == Backoff(15, 300, lambda: jitter).spread(seconds(60), 0)


@given(
    bounds=st.tuples(st.floats(0, 3600), st.floats(0, 3600)).map(sorted),
    tries=st.integers(0, 10**6),
    jitter=st.floats(0, ALMOST_ONE),
)
def test_bounds(bounds: list[float], tries: int, jitter: float) -> None:
    """No wait leaves the bounds that the settings give, and none is shorter than one before."""
    first, limit = bounds
    backoff = Backoff(first, limit, lambda: jitter)
    assert first <= backoff.seconds(tries) <= limit
    assert backoff.seconds(tries) <= backoff.seconds(tries + 1)


def test_next() -> None:
    """A pause is followed by a spread, anything else by the wait of so many tries."""
    backoff = Backoff(15, 300, lambda: 0.5)

    assert backoff.spread(NOW, 1) == backoff.next(NOW, 1, None, NOW)
    assert backoff.until(NOW, 1, 7.0) == backoff.next(NOW, 1, 7.0)
