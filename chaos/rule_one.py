"""Rule 1: a record that is not final has exactly one due row. Pure.

A reading of a partition is no snapshot: a due row that moves while it is read can be seen twice,
or not at all. So two readings are compared. A record that has the same ETag in both was not
written in between; its due rows, the same in both, belong to that state of it and to no other.
"""

from chaos.observed import FINAL, Row, Snapshot


def suspects(seen: Snapshot) -> frozenset[str]:
    """Digests of the requests that break the rule at first sight."""
    return frozenset(
        digest
        for digest, record in seen.records.items()
        if _is_broken(record, seen.due.get(digest, frozenset()))
    )


def broken(first: Snapshot, second: Snapshot) -> frozenset[str]:
    """Digests of the requests that break the rule in both readings, unchanged in between."""
    return frozenset(
        digest
        for digest in suspects(first) & suspects(second)
        if first.records[digest].etag == second.records[digest].etag
        and first.due.get(digest) == second.due.get(digest)
    )


def broken_at_rest(last: Snapshot) -> frozenset[str]:
    """Digests of the requests that break it when nothing happens any more: no due row is left."""
    return suspects(last) | frozenset(last.due)


def _is_broken(record: Row, due: frozenset[str]) -> bool:
    return record.status not in FINAL and len(due) != 1
