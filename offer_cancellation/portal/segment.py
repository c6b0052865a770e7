"""Makes sure that no URL is built with an empty or an unexpected segment.

An id that was edited away in the table must not turn the URL of one thing into that of another: a
`DELETE` of a product deletes a draft offer.
"""

from offer_cancellation.ledger.record import is_segment


def segment(text: str | None) -> str:
    """The text, when it is one plain segment of a path. Raises ValueError."""
    if text is None or not is_segment(text):
        allowed = "ASCII letters, digits, -, _, and . between them"
        raise ValueError(f"{text!r} is not one segment of a URL: allowed are {allowed}")

    return text
