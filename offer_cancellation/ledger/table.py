"""Keeps every request's record and its due row in one table that many writers share.

A record that is not final has exactly one due row, written in the same transaction. Every update
is conditional on the ETag and carries its writer's token: after a refusal, and after an answer
that does not say what became of it, the row is read back, and the own token means that it worked.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import uuid4

from azure.core import MatchConditions
from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import TableEntity
from azure.data.tables.aio import TableClient

from offer_cancellation.errors import LostUpdateError, StorageError
from offer_cancellation.ledger import entity, keys, transactions
from offer_cancellation.ledger.entity import due_row
from offer_cancellation.ledger.keys import DueRow, RecordKey
from offer_cancellation.ledger.query import rows_between
from offer_cancellation.ledger.record import Record
from offer_cancellation.ledger.transactions import Operation, RefusedError, Transactions
from offer_cancellation.status import Status
from offer_cancellation.storage_call import is_unclear, storage_call

__all__ = ["Inserted", "Ledger", "due_row"]

_NOT_FOUND = 404
_CLAIM_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Inserted:
    """The result of an insert: the record that is there now, and whether it is the inserted one."""

    record: Record
    is_new: bool


@dataclass(frozen=True, slots=True)
class _Found:
    record: Record
    writer: str


class Ledger:
    """Reads and writes records. Every method raises StorageError when storage fails."""

    def __init__(self, table: TableClient) -> None:
        self._table = table
        self._transactions = Transactions(table)

    # Writing.

    async def insert(self, record: Record) -> Inserted:
        """Inserts the record, with its due row, unless there is one.

        Raises UnreadableRecordError for what is there instead.
        """
        key, writer = RecordKey.of(record.request_id), uuid4().hex
        operations = [transactions.create(entity.to_row(record, writer))]
        if record.due_at:
            operations.append(transactions.put(entity.to_due_row(record)))

        for _ in range(_CLAIM_ROUNDS):
            try:
                etag = await self._transactions.submit(key.bucket, operations)
                return Inserted(replace(record, etag=etag), is_new=True)
            except StorageError as error:
                found = await self._read_back(key, error)
                if not found and not isinstance(error, RefusedError):
                    raise
            if found:  # else it was removed between the two: inserted anew
                return Inserted(found.record, is_new=found.writer == writer)

        raise StorageError("an insert is refused, and there is no record: try again later")

    async def save(self, before: Record, after: Record) -> Record:
        """Writes the step from `before` to `after`: the record and its due row together.

        Raises LostUpdateError when another writer was faster.
        """
        key, writer = RecordKey.of(after.request_id), uuid4().hex
        writes, removals = _step(before, after, writer)
        while True:
            try:
                etag = await self._transactions.submit(key.bucket, [*writes, *removals])
                return replace(after, etag=etag)
            except StorageError as error:
                found = await self._read_back(key, error)
                if found and found.writer == writer:
                    return replace(after, etag=found.record.etag)
                if not isinstance(error, RefusedError):
                    raise
                if not found or found.record.etag != before.etag:
                    what = "was changed" if found else "was removed"
                    text = f"update of {after.request_id!r}: the record {what} meanwhile"
                    raise LostUpdateError(text) from error
                if not removals or error.status != _NOT_FOUND:
                    raise  # nothing there explains the refusal
                removals = []  # the due row to be removed was gone already

    async def start_run(self, ended: Record, record: Record) -> Record:
        """Writes the first step of a new run; the due row of the ended one is gone.

        Raises LostUpdateError when another writer was faster.
        """
        return await self.save(replace(ended, due_at=None), record)

    async def restore_due_row(self, record: Record, stray: DueRow | None = None) -> bool:
        """Gives a record its due row, in place of a stray one; whether it was missing.

        Only a missing row makes it write the record, too, on the condition that it has not moved
        on: else there would be two rows. So this is not for a record that another writer holds.
        Raises LostUpdateError when another writer was faster.
        """
        is_missing = not await self.has_due_row(record)
        if is_missing:
            await self.save(replace(record, due_at=None), record)
        if stray:
            self.remove_soon(stray)

        return is_missing

    def remove_soon(self, row: DueRow) -> None:
        """Has a due row removed, soon; fine when it is gone."""
        self._transactions.remove_soon(row.bucket, row.row_key)

    async def flush(self) -> None:
        """Waits until every removal is done."""
        await self._transactions.flush()

    async def remove(self, record: Record) -> None:
        """Removes the record of a finished request. Raises LostUpdateError when it has changed."""
        key = RecordKey.of(record.request_id)
        async with storage_call("removing a record"):
            try:
                await self._table.delete_entity(
                    key.bucket,
                    key.row_key,
                    etag=record.etag,
                    match_condition=MatchConditions.IfNotModified,
                )
            except ResourceModifiedError as error:
                raise LostUpdateError(f"{record.request_id!r} has just changed") from error

    # Reading.

    async def find(self, key: RecordKey) -> Record | None:
        """The record of a request. Raises UnreadableRecordError."""
        found = await self._read(key)

        return found.record if found else None

    async def has_due_row(self, record: Record) -> bool:
        """Whether the due row that a record names is there."""
        row = due_row(record)
        if row is None:
            return False

        return await self._get("a due row", row.bucket, row.row_key, ["RowKey"]) is not None

    async def due_rows(self, bucket: str, now: datetime) -> AsyncIterator[DueRow]:
        """The due rows of a bucket, the longest due first."""
        columns = ["RowKey", "Status"]
        async for row in rows_between(self._table, bucket, keys.DUE, keys.due_until(now), columns):
            yield DueRow(bucket, row["RowKey"], _text(row.get("Status")))

    async def pending_rows(self, bucket: str) -> set[DueRow]:
        """Every due row of a bucket, due or not."""
        rows = rows_between(self._table, bucket, keys.DUE, f"{keys.DUE}~")

        return {DueRow(bucket, row["RowKey"]) async for row in rows}

    async def requested(self, bucket: str, limit: int) -> list[datetime]:
        """When pending requests of a bucket were made, at most so many, the next due first."""
        columns, found = ["RowKey", "RequestedAt"], list[datetime]()
        async for row in rows_between(self._table, bucket, keys.DUE, f"{keys.DUE}~", columns):
            if isinstance(requested_at := row.get("RequestedAt"), datetime):
                found.append(requested_at)
            if len(found) == limit:
                break

        return found

    async def unfinished(self, bucket: str) -> set[RecordKey]:
        """The keys of a bucket's records that are not final.

        Reads the whole bucket's records at the service: for a rare look, not for a tick.
        """
        rows = self._records(bucket, _any_status(is_final=False))

        return {_key_of(bucket, row) async for row in rows}

    async def ended_before(self, bucket: str, moment: datetime) -> AsyncIterator[RecordKey]:
        """The keys of a bucket's final records that ended, and whose deadline passed, before."""
        condition = (
            f"FinishedAt lt @moment and Deadline lt @moment and {_any_status(is_final=True)}"
        )
        async for row in self._records(bucket, condition, {"moment": moment}):
            yield _key_of(bucket, row)

    async def close(self) -> None:
        """Removes what is still to be removed, and closes its connections."""
        await self._transactions.close()
        await self._table.close()

    def _records(
        self, bucket: str, condition: str, parameters: dict[str, object] | None = None
    ) -> AsyncIterator[TableEntity]:
        """The keys of a bucket's records that meet the condition."""
        end = f"{keys.RECORD}~"

        return rows_between(
            self._table, bucket, keys.RECORD, end, ["RowKey"], condition, parameters
        )

    async def _read(self, key: RecordKey) -> _Found | None:
        row = await self._get("a record", key.bucket, key.row_key)
        if row is None:
            return None

        writer = str(row.get(entity.WRITER, ""))
        return _Found(entity.from_row(row, str(row.metadata["etag"])), writer)

    async def _read_back(self, key: RecordKey, error: StorageError) -> _Found | None:
        """What is there after a write that failed with `error`.

        Raises that error where storage is away, and nothing can be known.
        """
        if not isinstance(error, RefusedError) and not is_unclear(error):
            raise error
        try:
            return await self._read(key)
        except StorageError:
            raise error from error.__cause__

    async def _get(
        self, what: str, bucket: str, row_key: str, columns: list[str] | None = None
    ) -> TableEntity | None:
        """A row, checked to be the one that was asked for; None where there is none."""
        async with storage_call(f"reading {what}"):
            try:
                row = await self._table.get_entity(bucket, row_key, select=columns)
            except ResourceNotFoundError:
                return None
            if not row.metadata["etag"] or row.get("RowKey") != row_key:
                raise StorageError(f"the answer does not hold {what} that was asked for")

        return row


def _step(before: Record, after: Record, writer: str) -> tuple[list[Operation], list[Operation]]:
    """What the step writes, and what it removes."""
    writes = [transactions.replace(entity.to_row(after, writer), before.etag)]
    old, new = due_row(before), due_row(after)
    if new and new != old:  # another row, or another status in it
        writes.append(transactions.put(entity.to_due_row(after)))
    removals = []
    if old and not old.is_same_row(new):
        removals.append(transactions.delete(old.bucket, old.row_key))

    return writes, removals


def _key_of(bucket: str, row: TableEntity) -> RecordKey:
    return RecordKey(bucket, row["RowKey"].removeprefix(keys.RECORD))


def _any_status(*, is_final: bool) -> str:
    """A condition: the status is one of those that are final, or of those that are not."""
    chosen = [status for status in Status if status.is_final is is_final]

    return "(" + " or ".join(f"Status eq '{status.value}'" for status in chosen) + ")"


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
