"""The table's keys: where a request and its due row stand.

`python -m offer_cancellation.ledger.keys REQUEST_ID` prints them for a query by hand. Keys hold hex
digits, `-`, `T` and `Z` only: the real service refuses `/ \\ # ?` and control characters.
"""

import sys
from datetime import UTC, datetime
from hashlib import sha256

BUCKETS = "0123456789abcdef"
RECORD = "request-"
DUE = "due-"


def digest(request_id: str) -> str:
    """SHA-256 of the request id, 64 hex digits."""
    return sha256(request_id.encode()).hexdigest()


def bucket(request_id: str) -> str:
    """PartitionKey of the record and of its due row: the digest's first digit."""
    return digest(request_id)[0]


def record_key(request_id: str) -> str:
    """RowKey of the record."""
    return f"{RECORD}{digest(request_id)}"


def due_key(due_at: datetime, request_id: str) -> str:
    """RowKey of the due row: sorts by time, to the millisecond."""
    return f"{DUE}{_stamp(due_at)}-{digest(request_id)}"


def due_until(now: datetime) -> str:
    """The RowKey that follows every due row of `now` and earlier."""
    return f"{DUE}{_stamp(now)}~"


def due_digest(row_key: str) -> str:
    """The digest of the request that a due row belongs to."""
    return row_key.rpartition("-")[2]


def _stamp(moment: datetime) -> str:
    moment = moment.astimezone(UTC)
    return f"{moment:%Y%m%dT%H%M%S}{moment.microsecond // 1000:03d}Z"


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004
        sys.exit("usage: python -m offer_cancellation.ledger.keys REQUEST_ID")
    print(f"PartitionKey eq '{bucket(sys.argv[1])}' and RowKey eq '{record_key(sys.argv[1])}'")
