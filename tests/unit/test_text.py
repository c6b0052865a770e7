"""Texts from outside, made fit to be stored, sent and logged."""

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offer_cancellation import text
from tests.unit.samples import texts


@pytest.mark.parametrize(
    ("given_text", "limit", "expected"),
    [
        pytest.param("", 5, "", id="empty"),
        pytest.param("abcde", 5, "abcde", id="fits exactly"),
        pytest.param("abcdef", 5, "abcd…", id="one too long"),
        pytest.param("abcdef", 1, "…", id="room for nothing else"),
    ],
)
def test_cut(given_text: str, limit: int, expected: str) -> None:
    """Long texts are cut, and end in `…`."""
    assert expected == text.cut(given_text, limit)


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


JWT = "eyJhbGciOiJIUzI1NiJ9.eyJhdWQiOiJodHRwczovL2Nsb3VkIn0.c2lnbmF0dXJl"
# Azurite's public key: shaped like every storage account's.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        pytest.param(f"got {JWT}, sorry", "got ***, sorry", id="a JWT"),
        pytest.param(f"x{JWT}", "x***", id="a JWT glued to a word"),
        pytest.param("Authorization: Bearer abc.def", "Authorization: Bearer ***", id="bearer"),
        pytest.param("bearer%20opaque", "bearer%20***", id="bearer, percent-encoded"),
        pytest.param("BEARER  a/b+c==", "BEARER  ***", id="bearer, other case"),
        pytest.param("Authorization: Basic dTpw", "Authorization: Basic ***", id="basic"),
        pytest.param("SharedKey acc:c2ln=", "SharedKey ***", id="shared key"),
        pytest.param("https://q/?sv=1&sig=a%2Bb%3D&se=2", "https://q/?sv=1&sig=***&se=2", id="SAS"),
        pytest.param("?SIG=abc", "?SIG=***", id="SAS, other case"),
        pytest.param("sv%3D1%26sig%3Dabc", "sv%3D1%26sig%3D***", id="SAS, percent-encoded"),
        pytest.param(
            f"AccountName=a;AccountKey={KEY};EndpointSuffix=b",
            "AccountName=a;AccountKey=***;EndpointSuffix=b", id="connection string",
        ),
        pytest.param(
            "Endpoint=sb://a/;SharedAccessKeyName=b;SharedAccessKey=Zm9v=",
            "Endpoint=sb://a/;SharedAccessKeyName=b;SharedAccessKey=***", id="another's",
        ),
        pytest.param(f"the key {KEY}!", "the key ***!", id="a bare account key"),
        pytest.param(
            '{"access_token": "opaque", "resource": "r"}',
            '{"access_token": "***", "resource": "r"}', id="an identity's reply",
        ),
        pytest.param(
            '{\\"id_token\\":\\"opaque\\"}', '{\\"id_token\\":\\"***\\"}', id="JSON in JSON"
        ),
        pytest.param("client_secret=abc&x=1", "client_secret=***&x=1", id="a form"),
        pytest.param("is abc8Q~" + "x" * 31 + " known?", "is *** known?", id="a client secret"),
        pytest.param("The bearer token expired.", "The bearer token expired.", id="words stay"),
        pytest.param(
            "AADSTS700016: Application not found", "AADSTS700016: Application not found",
            id="a reason stays",
        ),
        pytest.param("design=3; monkey: 5", "design=3; monkey: 5", id="other names stay"),
        pytest.param("56615b67-2185-49fe-80d2-c4ddf77bb2e8",
                     "56615b67-2185-49fe-80d2-c4ddf77bb2e8", id="a GUID stays"),
        pytest.param("a/" * 30, "a/" * 30, id="a path stays"),
    ],
)  # fmt: skip
def test_mask_secrets(given_text: str, expected: str) -> None:
    """What looks like a secret is replaced by `***`, and nothing else; once is enough."""
    assert expected == text.mask_secrets(given_text)
    assert expected == text.mask_secrets(expected)


@pytest.mark.parametrize(
    "piece",
    ["a@", "a", "eyJ", "eyJa.", "Bearer ", "sig=", "sig", "A", "Aa1", "A=", "password:    ",
     "authorization: ", ".", "a.b", "1Q~", "@", " @", "sharedkey ", "\\", "<", "&#", "<!--"],
)  # fmt: skip
@pytest.mark.parametrize("read", [text.masked, lambda given: text.fit(given, 6000)])
def test_hostile_texts_are_masked_in_time(read: Callable[[str], str], piece: str) -> None:
    """The time that masking takes grows with the text, not with its square."""
    hostile = piece * (65536 // len(piece))

    started = time.process_time()
    read(hostile)

    assert time.process_time() - started < 0.25


def test_plain_masks_what_markup_hides() -> None:
    """A secret is masked after the tags are gone, too, and never cut in halves before."""
    assert "a ****** b" == text.plain(f"a <b>&#101;{JWT[1:]}</b> b", 100)
    assert "*" * 3 + "x" * 16 + "…" == text.plain(f"<i>{KEY}</i>" + "x" * 40, 20)


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        pytest.param(" a\n\0b ", "a b", id="cleaned"),
        pytest.param(f"Bearer {JWT}", "Bearer ***", id="masked"),
        pytest.param("x" * 200, "x" * 19 + "…", id="cut"),
    ],
)
def test_fit(given_text: str, expected: str) -> None:
    """A text from outside is kept clean, masked and bounded."""
    assert expected == text.fit(given_text, 20)


def test_masked() -> None:
    """A log holds neither secrets nor addresses."""
    assert "<e-mail> sent ***" == text.masked(f"jane@contoso.com sent {JWT}")
