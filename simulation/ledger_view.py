"""The ledger as an operator sees it: records and due rows, read from the table's own columns."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from simulation.storage.tables import Change, Entity

FINAL = frozenset({"canceled", "failed", "rejected", "expired"})
_RECORD, _DUE = "request-", "due-"


@dataclass(frozen=True, slots=True)
class Row:
    """A record's columns."""

    digest: str
    etag: str
    columns: dict[str, Any]

    @property
    def status(self) -> str:
        """Where the request is in its life."""
        return str(self.columns.get("Status"))

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.status in FINAL

    @property
    def request_id(self) -> str:
        """Whose record it is."""
        return str(self.columns.get("RequestId"))

    @property
    def offer(self) -> str:
        """Which offer it is about."""
        return str(self.columns.get("OfferId"))

    @property
    def run(self) -> int:
        """Which run of the request."""
        return int(self.columns.get("Run", 1))

    def moment(self, column: str) -> float | None:
        """A column's time in seconds since the epoch."""
        text = self.columns.get(column)
        return None if text is None else datetime.fromisoformat(str(text)).timestamp()


class LedgerView:
    """Follows every commit; `due` holds the row keys of each digest's due rows."""

    def __init__(self) -> None:
        self.records: dict[str, Row] = {}
        self.due: defaultdict[str, set[str]] = defaultdict(set)

    def follow(self, changes: list[Change]) -> list[tuple[Row | None, Row | None]]:
        """Takes a commit in; what it did to records, before and after."""
        steps = []
        for change in changes:
            row_key = change.key[1]
            if row_key.startswith(_RECORD):
                digest = row_key.removeprefix(_RECORD)
                before, after = self.records.get(digest), _row(digest, change.after)
                if after is None:
                    self.records.pop(digest, None)
                else:
                    self.records[digest] = after
                steps.append((before, after))
            elif row_key.startswith(_DUE):
                keys = self.due[row_key.rpartition("-")[2]]
                if change.after is None:
                    keys.discard(row_key)
                else:
                    keys.add(row_key)
        return steps

    def earliest_due(self) -> str | None:
        """The earliest due row's time stamp, as its key has it."""
        stamps = [key.split("-")[1] for keys in self.due.values() for key in keys]
        return min(stamps, default=None)

    def breaks_rule_one(self, digest: str) -> bool:
        """Whether a record that is not final has no due row, or several."""
        record = self.records.get(digest)
        return record is not None and not record.is_final and len(self.due[digest]) != 1


def _row(digest: str, entity: Entity | None) -> Row | None:
    return None if entity is None else Row(digest, entity.etag, entity.properties)
