"""The forms that a rejected message's text is kept in."""

import base64
import gzip
import random
import string
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offer_cancellation.original import SIZE_LIMIT, forms


def _travelled(text: str) -> str:
    """The text after its way through XML, as the queue service takes and gives it."""
    element = ET.Element("MessageText")
    element.text = text
    return ET.fromstring(ET.tostring(element, "utf-8")).text or ""  # noqa: S314 - its own text


def _noise(size: int) -> str:
    return "".join(random.Random(7).choices(string.printable[:95], k=size)) + "\r"  # noqa: S311


@pytest.mark.parametrize("text", ["", " {\t'a': 1}\n", "🐎", "<&>" * 21_000, "x" * SIZE_LIMIT])
def test_unchanged(text: str) -> None:
    """What can travel through XML is kept as it is."""
    assert text == forms(text)[0]


@pytest.mark.parametrize("code", [0, 1, 8, 11, 12, 13, 14, 31, 0xD800, 0xDFFF, 0xFFFE, 0xFFFF])
def test_base64(code: int) -> None:
    """What XML cannot hold, or changes, is kept in base64."""
    text = f"a{chr(code)}b"

    assert base64.b64encode(text.encode("utf-8", "surrogatepass")).decode() == forms(text)[0]


def test_compressed() -> None:
    """What is too large for base64 is compressed first."""
    text = "a\r" * 30_000

    assert text.encode() == gzip.decompress(base64.b64decode(forms(text)[0]))


def test_cut() -> None:
    """What is too large even then is cut, and says so."""
    text = _noise(SIZE_LIMIT - 1)

    (only,) = forms(text)

    assert text[:45_056] + "… [cut: 45056 of 65536 bytes]" == base64.b64decode(only).decode()


@given(text=st.text(st.characters(), max_size=300), times=st.sampled_from([1, 300]))
def test_any_text(text: str, times: int) -> None:
    """Every form fits and travels unchanged; the last one is small even where all is escaped."""
    kept = forms(text * times)

    assert [] == [form for form in kept if form != _travelled(form)]
    assert all(len(form.encode()) <= SIZE_LIMIT for form in kept)
    assert len(kept[-1]) <= SIZE_LIMIT
