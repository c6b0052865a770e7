"""Names the ledger's rows: where a request's record and its due row stand in the table.

`python -m offer_cancellation.ledger.keys REQUEST_ID` prints them for a query by hand. Keys hold hex
digits, `-`, `T` and `Z` only: the real service refuses `/ \\ # ?` and control characters.
"""

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Self

BUCKETS = "0123456789abcdef"
RECORD = "request-"
DUE = "due-"


@dataclass(frozen=True, slots=True, order=True)
class RecordKey:
    """Where the record of a request stands: its partition, and the SHA-256 of its request id."""

    bucket: str
    digest: str

    @classmethod
    def of(cls, request_id: str) -> Self:
        """The key of a request: the bucket is the digest's first digit."""
        digest = sha256(request_id.encode("utf-8", "surrogatepass")).hexdigest()
        return cls(digest[0], digest)

    @property
    def row_key(self) -> str:
        """RowKey of the record."""
        return f"{RECORD}{self.digest}"


@dataclass(frozen=True, slots=True)
class DueRow:
    """A due row: its partition, its RowKey, and the status that its record had (None: unknown)."""

    bucket: str
    row_key: str
    status: str | None = None

    @classmethod
    def at(cls, due_at: datetime, request_id: str, status: str | None = None) -> Self:
        """The due row of a request: its key sorts by time, to the millisecond."""
        key = RecordKey.of(request_id)
        return cls(key.bucket, f"{DUE}{_stamp(due_at)}-{key.digest}", status)

    @property
    def record_key(self) -> RecordKey:
        """The key of the record that it belongs to."""
        return RecordKey(self.bucket, self.row_key.rpartition("-")[2])

    def is_same_row(self, other: "DueRow | None") -> bool:
        """Whether both name one row."""
        return other is not None and (self.bucket, self.row_key) == (other.bucket, other.row_key)


def due_until(now: datetime) -> str:
    """The RowKey that follows every due row of `now` and earlier."""
    return f"{DUE}{_stamp(now)}~"


def _stamp(moment: datetime) -> str:
    moment = moment.astimezone(UTC)
    return f"{moment:%Y%m%dT%H%M%S}{moment.microsecond // 1000:03d}Z"


def main() -> int:
    """Prints the query for the record of the request id on the command line."""
    if len(sys.argv) != 1 + 1:
        print("usage: python -m offer_cancellation.ledger.keys REQUEST_ID", file=sys.stderr)
        return 2

    key = RecordKey.of(sys.argv[1])
    print(f"PartitionKey eq '{key.bucket}' and RowKey eq '{key.row_key}'")

    return 0


if __name__ == "__main__":
    sys.exit(main())
