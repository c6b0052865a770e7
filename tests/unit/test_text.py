"""Texts from outside, made fit to be stored, sent and logged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offer_cancellation import text
from tests.unit.samples import texts


@pytest.mark.parametrize(
    ("given_text", "most", "expected"),
    [
        pytest.param("", 5, "", id="empty"),
        pytest.param("abcde", 5, "abcde", id="fits exactly"),
        pytest.param("abcdef", 5, "abcd…", id="one too long"),
        pytest.param("abcdef", 1, "…", id="room for nothing else"),
    ],
)
def test_cut(given_text: str, most: int, expected: str) -> None:
    """Long texts are cut, and end in `…`."""
    assert expected == text.cut(given_text, most)


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        pytest.param("  a \t\r\n b  ", "a b", id="white space folded"),
        pytest.param("a\0b\x1bc", "a b c", id="control characters"),
        pytest.param("a\ud800b", "a?b", id="lone surrogate"),
        pytest.param("Žluťoučký 🐎", "Žluťoučký 🐎", id="other scripts stay"),
    ],
)
def test_clean(given_text: str, expected: str) -> None:
    """A text loses what cannot be stored, and nothing else."""
    assert expected == text.clean(given_text)


@given(given_text=texts)
def test_clean_can_be_stored(given_text: str) -> None:
    """Whatever comes in, what goes out is printable UTF-8, and cleaning it changes nothing."""
    cleaned = text.clean(given_text)
    assert cleaned.isprintable()
    assert cleaned == cleaned.encode("utf-8").decode("utf-8")
    assert cleaned == text.clean(cleaned)


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        pytest.param("<b>Image</b> is <br/>too large", "Image is too large", id="tags"),
        pytest.param("1 &lt; 2 &amp; 3", "1 < 2 & 3", id="entities"),
        pytest.param("<!-- hidden -->shown", "shown", id="comment"),
        pytest.param("a < b", "a < b", id="no markup"),
        pytest.param("x" * 30, "x" * 19 + "…", id="cut"),
    ],
)
def test_plain(markup: str, expected: str) -> None:
    """Markup becomes plain text of a bounded length."""
    assert expected == text.plain(markup, 20)


@given(markup=st.text(alphabet="<>!-/&;ab \ud800\0", max_size=400))
def test_plain_is_bounded(markup: str) -> None:
    """Hostile markup never raises, and never grows past its bound."""
    plain = text.plain(markup, 20)
    assert len(plain) <= 20
    assert plain == text.clean(plain)


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        pytest.param("to jane@contoso.com, now", "to <e-mail>, now", id="one in a sentence"),
        pytest.param("a@b.cz,c@d.cz", "<e-mail>,<e-mail>", id="a list"),
        pytest.param("'Jane' <jane@b.cz>", "'Jane' <<e-mail>>", id="with a name"),
        pytest.param("at @ nothing", "at @ nothing", id="no address"),
    ],
)
def test_without_emails(given_text: str, expected: str) -> None:
    """An e-mail address never reaches a log."""
    assert expected == text.without_emails(given_text)
