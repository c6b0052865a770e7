"""What was already reported."""

from offer_cancellation import reported_once


def test_add() -> None:
    """A row that stays broken is reported once, not at each tick."""
    reported = reported_once.ReportedOnce()
    assert [True, False, True, False] == [reported.add(key) for key in ("a", "a", "b", "a")]


def test_starts_over() -> None:
    """What is remembered is bounded."""
    reported = reported_once.ReportedOnce()
    assert all(reported.add(str(number)) for number in range(reported_once.LIMIT))
    assert not reported.add("0")
    assert reported.add("one more")
    assert reported.add("0")


def test_discard() -> None:
    """What could not be reported after all is reported the next time."""
    reported = reported_once.ReportedOnce()
    assert reported.add("a")
    reported.discard("a")
    reported.discard("b")
    assert reported.add("a")
