"""What a process says once."""

from offer_cancellation import once


def test_first() -> None:
    """A row that stays broken is reported once, not at each tick."""
    said = once.Once()
    assert [True, False, True, False] == [said.first(key) for key in ("a", "a", "b", "a")]


def test_starts_over() -> None:
    """What is remembered is bounded."""
    said = once.Once()
    assert all(said.first(str(number)) for number in range(once.MOST))
    assert not said.first("0")
    assert said.first("one more")
    assert said.first("0")


def test_forget() -> None:
    """What could not be said after all is said the next time."""
    said = once.Once()
    assert said.first("a")
    said.forget("a")
    said.forget("b")
    assert said.first("a")
