"""The ledger: every request's record and its due row, one table, many writers.

A record that is not final has exactly one due row, written in the same transaction. Every update
is conditional on the ETag and carries its writer's token: after a refusal the row is read back,
and the own token means that it had worked (the reply was lost).
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import uuid4

from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableEntity
from azure.data.tables.aio import TableClient

from offer_cancellation.errors import LostUpdateError
from offer_cancellation.ledger import entity, keys, transactions
from offer_cancellation.ledger.record import Record
from offer_cancellation.ledger.transactions import Operation, RefusedError, Transactions
from offer_cancellation.status import Status

_NOT_FOUND = 404
_CLAIM_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class DueRow:
    """A due row as a tick reads it."""

    bucket: str
    row_key: str

    @property
    def digest(self) -> str:
        """The SHA-256 of its request id."""
        return keys.due_digest(self.row_key)


class Ledger:
    """Reads and writes records. Every method raises AzureError when storage fails."""

    def __init__(self, table: TableClient) -> None:
        self._table = table
        self._transactions = Transactions(table)

    async def claim(self, record: Record) -> tuple[Record, bool]:
        """Inserts the record, with its due row, unless there is one: (the record, whether new).

        Raises what `read` raises.
        """
        writer = uuid4().hex
        operations = [transactions.create(entity.to_row(record, writer))]
        if record.due_at:
            operations.append(transactions.put(entity.to_due_row(record)))
        bucket = keys.bucket(record.request_id)
        for _ in range(_CLAIM_ROUNDS):
            try:
                etag = await self._transactions.submit(bucket, operations)
                return replace(record, etag=etag), True
            except RefusedError:
                found = await self._read(bucket, keys.record_key(record.request_id))
            if found:  # else it was removed between the two: claimed anew
                return found[0], found[1] == writer
        raise ResourceNotFoundError("a claim is refused, and there is no record: try again later")

    async def save(self, before: Record, after: Record) -> Record:
        """Writes the step from `before` to `after`: the record and its due row together.

        Raises LostUpdateError.
        """
        writer = uuid4().hex
        bucket = keys.bucket(after.request_id)
        writes, removals = _step(before, after, writer)
        while True:
            try:
                etag = await self._transactions.submit(bucket, [*writes, *removals])
                return replace(after, etag=etag)
            except RefusedError as refused:
                found = await self._read(bucket, keys.record_key(after.request_id))
                if found and found[1] == writer:
                    return replace(after, etag=found[0].etag)
                is_row_gone = refused.status == _NOT_FOUND and refused.index >= len(writes)
                if not found:
                    raise ResourceNotFoundError("the record was removed meanwhile") from refused
                if not is_row_gone:
                    text = f"update of {after.request_id!r}: {refused}"
                    raise LostUpdateError(text) from refused
                removals = []  # the due row to be removed was gone already

    async def repair(self, record: Record, stray: DueRow | None = None) -> bool:
        """Makes sure that the record has its due row, and not the stray one; whether it wrote.

        It does not when the record has changed, or the stray row is gone: then a writer had just
        moved it.
        """
        bucket = keys.bucket(record.request_id)
        operations = [
            transactions.replace(entity.to_row(record, uuid4().hex), record.etag),
            transactions.put(entity.to_due_row(record)),
        ]
        if stray:
            operations.append(transactions.delete(_keys(stray)))
        try:
            await self._transactions.submit(bucket, operations)
        except RefusedError:
            return False
        return True

    async def read(self, row: DueRow) -> Record | None:
        """The record that a due row belongs to.

        Raises entity.NewerRecordError or entity.UnreadableRecordError.
        """
        found = await self._read(row.bucket, f"{keys.RECORD}{row.digest}")
        return found[0] if found else None

    async def find(self, request_id: str) -> Record | None:
        """The record of a request. Raises what `read` raises."""
        found = await self._read(keys.bucket(request_id), keys.record_key(request_id))
        return found[0] if found else None

    async def remove_due_row(self, row: DueRow) -> None:
        """Removes a due row; fine when it is gone."""
        await self._table.delete_entity(row.bucket, row.row_key)

    async def due_rows(self, bucket: str, now: datetime) -> AsyncIterator[DueRow]:
        """The due rows of a bucket, the longest due first."""
        async for row in self._range(bucket, keys.DUE, keys.due_until(now), ["RowKey"]):
            yield DueRow(bucket, row["RowKey"])

    async def pending_rows(self, bucket: str) -> set[DueRow]:
        """Every due row of a bucket, due or not."""
        rows = self._range(bucket, keys.DUE, f"{keys.DUE}~", ["RowKey"])
        return {DueRow(bucket, row["RowKey"]) async for row in rows}

    async def requested(self, bucket: str, most: int) -> list[datetime]:
        """When pending requests of a bucket were made, at most so many, the next due first."""
        columns, found = ["RowKey", "RequestedAt"], list[datetime]()
        async for row in self._range(bucket, keys.DUE, f"{keys.DUE}~", columns):
            if isinstance(requested_at := row.get("RequestedAt"), datetime):
                found.append(requested_at)
            if len(found) == most:
                break
        return found

    async def unfinished(self, bucket: str) -> set[str]:
        """The digests of a bucket's records that are not final.

        Reads the whole bucket's records at the service: for a rare look, not for a tick.
        """
        pending = " or ".join(f"Status eq '{s.value}'" for s in Status if not s.is_final)
        rows = self._range(bucket, keys.RECORD, f"{keys.RECORD}~", ["RowKey"], f"({pending})")
        return {row["RowKey"].removeprefix(keys.RECORD) async for row in rows}

    async def _range(
        self, bucket: str, first: str, end: str, columns: list[str], more: str = ""
    ) -> AsyncIterator[TableEntity]:
        """The rows of a bucket from `first` up to `end`, page after page; none without a table."""
        rows = self._table.query_entities(
            "PartitionKey eq @bucket and RowKey ge @first and RowKey lt @end"
            + (f" and {more}" if more else ""),
            parameters={"bucket": bucket, "first": first, "end": end},
            select=columns,
        )
        try:
            async for row in rows:
                yield row
        except ResourceNotFoundError:
            return

    async def close(self) -> None:
        """Closes its connections."""
        await self._table.close()

    async def _read(self, bucket: str, row_key: str) -> tuple[Record, str] | None:
        try:
            row = await self._table.get_entity(bucket, row_key)
        except ResourceNotFoundError:
            return None
        etag = str(row.metadata["etag"])
        return entity.from_row(row, etag), str(row.get(entity.WRITER, ""))


def due_row(record: Record) -> DueRow | None:
    """The due row that a record says it has."""
    if record.due_at is None:
        return None
    row_keys = entity.due_keys(record)
    return DueRow(row_keys["PartitionKey"], row_keys["RowKey"])


def _keys(row: DueRow) -> entity.Row:
    return {"PartitionKey": row.bucket, "RowKey": row.row_key}


def _step(before: Record, after: Record, writer: str) -> tuple[list[Operation], list[Operation]]:
    """What the step writes, and what it removes."""
    writes = [transactions.replace(entity.to_row(after, writer), before.etag)]
    old, new = due_row(before), due_row(after)
    if new and new != old:
        writes.append(transactions.put(entity.to_due_row(after)))
    return writes, [transactions.delete(_keys(old))] if old and new != old else []
