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
from azure.data.tables.aio import TableClient

from offer_cancel.ledger import entity, keys, transactions
from offer_cancel.ledger.record import Record
from offer_cancel.ledger.transactions import Operation, RefusedError, Transactions

_NOT_FOUND = 404


class LostUpdateError(Exception):
    """Somebody else wrote the record first; what was to be written is not."""


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
        while True:
            try:
                etag = await self._transactions.submit(bucket, operations)
                return replace(record, etag=etag), True
            except RefusedError:
                found = await self._read(bucket, keys.record_key(record.request_id))
            if found:  # else it was removed between the two: claimed anew
                return found[0], found[1] == writer

    async def save(self, before: Record, after: Record, stray: str | None = None) -> Record:
        """Writes the step from `before` to `after`: the record and its due row together.

        `stray` names one more due row to be removed. Raises LostUpdateError.
        """
        writer = uuid4().hex
        bucket = keys.bucket(after.request_id)
        try:
            etag = await self._transactions.submit(
                bucket, _operations(before, after, writer, stray)
            )
        except RefusedError as refused:
            found = await self._read(bucket, keys.record_key(after.request_id))
            if found and found[1] == writer:
                return replace(after, etag=found[0].etag)
            if refused.status != _NOT_FOUND or refused.index == 0 or not found:
                raise LostUpdateError(f"update of {after.request_id!r}: {refused}") from refused
            etag = await self._save_without_due_row(before, after, writer)
        return replace(after, etag=etag)

    async def _save_without_due_row(self, before: Record, after: Record, writer: str) -> str:
        """The same step where the due row to be removed was already gone."""
        operations = [transactions.replace(entity.to_row(after, writer), before.etag)]
        if after.due_at:
            operations.append(transactions.put(entity.to_due_row(after)))
        try:
            return await self._transactions.submit(keys.bucket(after.request_id), operations)
        except RefusedError as refused:
            raise LostUpdateError(f"update of {after.request_id!r}: {refused}") from refused

    async def repair(self, record: Record, stray: DueRow) -> None:
        """Makes sure that the record has its due row, and not the stray one.

        Nothing happens when the stray row is gone: then a writer had just moved it.
        """
        operations = [transactions.replace(entity.to_row(record, uuid4().hex), record.etag)]
        if record.due_at:
            operations.append(transactions.put(entity.to_due_row(record)))
        operations.append(
            transactions.delete({"PartitionKey": stray.bucket, "RowKey": stray.row_key})
        )
        try:
            await self._transactions.submit(stray.bucket, operations)
        except RefusedError:
            return

    async def read(self, row: DueRow) -> Record | None:
        """The record that a due row belongs to.

        Raises entity.NewerRecordError or entity.UnreadableRecordError.
        """
        found = await self._read(row.bucket, f"request-{row.digest}")
        return found[0] if found else None

    async def remove_due_row(self, row: DueRow) -> None:
        """Removes a due row; fine when it is gone."""
        await self._table.delete_entity(row.bucket, row.row_key)

    async def due_rows(self, bucket: str, now: datetime) -> AsyncIterator[DueRow]:
        """The due rows of a bucket, the longest due first."""
        rows = self._table.query_entities(
            "PartitionKey eq @bucket and RowKey ge @first and RowKey lt @end",
            parameters={"bucket": bucket, "first": keys.DUE, "end": keys.due_until(now)},
            select=["PartitionKey", "RowKey"],
        )
        try:
            async for row in rows:
                yield DueRow(bucket, row["RowKey"])
        except ResourceNotFoundError:
            return  # no table yet: nothing is due

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


def _operations(before: Record, after: Record, writer: str, stray: str | None) -> list[Operation]:
    operations = [transactions.replace(entity.to_row(after, writer), before.etag)]
    old, new = due_row(before), due_row(after)
    if new and new != old:
        operations.append(transactions.put(entity.to_due_row(after)))
    gone = {row.row_key for row in (old,) if row} | ({stray} if stray else set())
    if new:
        gone -= {new.row_key}
    operations += [
        transactions.delete({"PartitionKey": keys.bucket(after.request_id), "RowKey": row_key})
        for row_key in sorted(gone)
    ]
    return operations
