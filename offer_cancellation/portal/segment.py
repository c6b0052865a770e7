"""Makes sure that no URL is built with an empty or an unexpected segment.

An id that was edited away in the table must not turn the URL of one thing into that of another: a
`DELETE` of a product deletes a draft offer.
"""

from offer_cancellation.ledger.record import Record


def segment(record: Record, name: str) -> str:
    """A field of what the record is to cancel, as one segment of a path.

    Raises ValueError where the record names not exactly one offer or one submission, or where it
    is the other's field.
    """
    value: str | None = getattr(record, name)
    if value is None or record.bad_target:
        wrong = ", ".join(record.bad_target or [name])
        raise ValueError(f"no URL for request {record.request_id!r}: missing or wrong {wrong}")

    return value
