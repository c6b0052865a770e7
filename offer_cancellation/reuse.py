"""A request id stands for one publisher, offer and guard. Pure."""

from offer_cancellation.ledger.record import Record
from offer_cancellation.request import CancelRequest
from offer_cancellation.status import Error


def reused(record: Record, request: CancelRequest) -> Error | None:
    """The fault of a request id that already stands for another publisher, offer or guard."""
    pairs = (
        ("publisherId", record.publisher_id, request.publisher_id),
        ("offerId", record.offer_id, request.offer_id),
        ("operationId", record.operation_id or "", request.operation_id),
    )
    differing = [
        f"{name} is {new!r}: allowed is {old!r}"
        for name, old, new in pairs
        if old.casefold() != new.casefold()
    ]
    if not differing:
        return None
    text = f"requestId {request.request_id!r} belongs to another request: " + "; ".join(differing)
    return Error("RequestIdReused", text)
