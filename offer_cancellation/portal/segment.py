"""Makes sure that no URL is built with an empty or an unexpected segment.

An id that was edited away in the table must not turn the URL of one thing into that of another: a
`DELETE` of a product deletes a draft offer.
"""

import re

_SEGMENT = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")


def segment(text: str | None) -> str:
    """The text, when it is one plain segment of a path. Raises ValueError."""
    if not text or not _SEGMENT.fullmatch(text):
        raise ValueError(f"{text!r} is not a segment of a URL: allowed are letters, digits, -, _, .")

    return text
