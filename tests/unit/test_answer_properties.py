"""What holds for every answer, whatever is in it."""

from datetime import datetime, timedelta
from email.utils import format_datetime

from hypothesis import given
from hypothesis import strategies as st

from offer_cancellation.portal.answer import Answer, error_of, retry_after
from tests.unit.samples import NOW, moments

DATE_PIECES = [
    "Thu", "Thu,", "Thursday,", ",", "31", "0", "-1", "99999", "Jan", "jan,", "2030", "30", "",
    "12:00:00", "12:00", "::", ":", "1.2.3", "GMT", "+0000", "-0000", "+9999", "--", "(c)",
]  # fmt: skip


@given(text=st.text(st.characters()) | st.lists(st.sampled_from(DATE_PIECES)).map(" ".join),
       now=moments)  # fmt: skip
def test_retry_after_is_bounded(text: str, now: datetime) -> None:
    """Whatever Retry-After holds: nothing, or a wait within 1 s and 1 h."""
    wait = retry_after({"retry-after": text}, now)
    assert wait is None or 1 <= wait <= 3600


@given(text=st.text(st.characters(exclude_categories=["N"])), now=moments)
def test_retry_after_garbage(text: str, now: datetime) -> None:
    """What holds no number cannot be read, and is ignored."""
    assert retry_after({"retry-after": text}, now) is None


@given(wait=st.integers(0, 10**400), now=moments)
def test_retry_after_in_seconds(wait: int, now: datetime) -> None:
    """Seconds are taken as they are, within the bounds."""
    assert min(max(wait, 1), 3600) == retry_after({"retry-after": f"{wait:d}"}, now)


@given(wait=st.integers(-(10**6), 10**6), now=moments)
def test_retry_after_as_a_date(wait: int, now: datetime) -> None:
    """An HTTP date asks for the time that is left until then, within the bounds."""
    until = (now + timedelta(seconds=wait)).replace(microsecond=0)
    text = format_datetime(until, usegmt=True)
    left = (until - now).total_seconds()
    assert min(max(left, 1.0), 3600.0) == retry_after({"retry-after": text}, now)


@given(whole=st.integers(0, 10**6), part=st.integers(0, 10**6))
def test_retry_after_with_a_fraction(whole: int, part: int) -> None:
    """A fraction of a second is waited for as a whole one."""
    expected = min(max(whole + (part > 0), 1), 3600)
    assert expected == retry_after({"retry-after": f"{whole}.{part:07d}"}, NOW)


@given(status=st.integers(300, 599), body=st.none() | st.binary(max_size=300))
def test_every_error_has_words(status: int, body: bytes | None) -> None:
    """Every error answer has a code and a message that can be stored."""
    error = error_of(Answer(status, body=body))
    assert error.code
    assert error.message
    assert error.message.isprintable()
