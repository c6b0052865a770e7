"""Sends writes that belong together in one transaction, in no more requests than it takes.

One transaction per partition is in flight at a time; what arrives meanwhile goes with the next. A
request's operations are never torn apart, and a refused request takes no other one down with it.
Removals that nobody waits for travel with other writes, or by themselves within a second.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.data.tables import TableErrorCode, TableTransactionError, UpdateMode
from azure.data.tables.aio import TableClient

from offer_cancellation.errors import StorageError
from offer_cancellation.ledger.entity import Row
from offer_cancellation.storage import as_storage_error

LIMIT = 100  # operations a transaction may hold, as the Table service documents
REMOVE_WITHIN = 1.0  # seconds that a removal waits for other writes
_REFUSALS = (404, 409, 412)  # the row is missing, there already, or of another ETag
_LOST_REPLY_METHODS = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "POST", "MERGE"})
_DELETE = "delete"

Operation = tuple[str, Row] | tuple[str, Row, dict[str, Any]]


def create(row: Row) -> Operation:
    """Insert; refused when the row is there."""
    return ("create", row)


def replace(row: Row, etag: str) -> Operation:
    """Replace; refused unless the row still has that ETag."""
    condition = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
    return ("update", row, {"mode": UpdateMode.REPLACE, **condition})


def put(row: Row) -> Operation:
    """Insert or replace."""
    return ("upsert", row, {"mode": UpdateMode.REPLACE})


def delete(partition: str, row_key: str) -> Operation:
    """Delete; refused when the row is not there."""
    return (_DELETE, {"PartitionKey": partition, "RowKey": row_key})


class RefusedError(Exception):
    """A request's operations were refused: `index` says which, `status` why (404, 409, 412 …)."""

    def __init__(self, index: int, status: int | None) -> None:
        super().__init__(f"operation {index} was refused with HTTP {status}")
        self.index, self.status = index, status


@dataclass(slots=True, eq=False)
class _Job:
    operations: Sequence[Operation]
    etag: asyncio.Future[str] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def settle(self, result: str | Exception) -> None:
        """Tells its caller, unless that one gave up."""
        if self.etag.done():
            return
        if isinstance(result, Exception):
            self.etag.set_exception(result)
        else:
            self.etag.set_result(result)


@dataclass(slots=True)
class _Partition:
    """What waits for a partition's next transaction."""

    jobs: list[_Job] = field(default_factory=list)
    removals: list[str] = field(default_factory=list)  # RowKeys
    sender: asyncio.Task[None] | None = None
    timer: asyncio.TimerHandle | None = None


class Transactions:
    """Sends operations to one table."""

    def __init__(self, table: TableClient) -> None:
        self._table = table
        self._partitions: defaultdict[str, _Partition] = defaultdict(_Partition)

    async def submit(self, partition: str, operations: Sequence[Operation]) -> str:
        """Carries out one request's operations, all or none; the ETag of the first one's row.

        Raises RefusedError, or StorageError when storage fails.
        """
        job = _Job(operations)
        self._partitions[partition].jobs.append(job)
        self._start(partition)

        return await job.etag

    def remove_soon(self, partition: str, row_key: str) -> None:
        """Has a row removed, within a second or with other writes; fine when it is gone.

        Nothing waits for it, and a failure of storage leaves the row.
        """
        waiting = self._partitions[partition]
        waiting.removals.append(row_key)
        if waiting.sender is None and waiting.timer is None:
            loop = asyncio.get_running_loop()
            waiting.timer = loop.call_later(REMOVE_WITHIN, self._start, partition)

    async def flush(self) -> None:
        """Sends what waits to be removed, and waits until nothing is under way."""
        for partition, waiting in self._partitions.items():
            if waiting.removals:
                self._start(partition)
        senders = [one.sender for one in self._partitions.values() if one.sender]
        await asyncio.gather(*senders)

    def _start(self, partition: str) -> None:
        waiting = self._partitions[partition]
        if waiting.timer:
            waiting.timer.cancel()
            waiting.timer = None
        if waiting.sender is None:
            waiting.sender = asyncio.create_task(self._send_waiting(partition))

    async def _send_waiting(self, partition: str) -> None:
        waiting = self._partitions[partition]
        try:
            while waiting.jobs or waiting.removals:
                jobs, removals = _take(waiting)
                await self._send(partition, jobs, removals)
        finally:
            waiting.sender = None

    async def _send(self, partition: str, jobs: list[_Job], removals: list[str]) -> None:
        """Sends both in one transaction; settles every job, whatever happens."""
        operations = [operation for job in jobs for operation in job.operations]
        try:
            etags = await self._commit(
                [*operations, *(delete(partition, row_key) for row_key in removals)]
            )
        except TableTransactionError as error:
            if len(jobs) + bool(removals) > 1 or len(removals) > 1:
                await self._send_apart(partition, jobs, removals)
            elif jobs:
                jobs[0].settle(_refusal(error))
        except Exception as error:  # noqa: BLE001 - each waiting caller is told
            for job in jobs:
                job.settle(as_storage_error(error, "a transaction"))
        else:
            position = 0
            for job in jobs:
                job.settle(etags[position])
                position += len(job.operations)

    async def _send_apart(self, partition: str, jobs: list[_Job], removals: list[str]) -> None:
        """One was refused, or one row stood there twice: each goes on its own."""
        for job in jobs:
            await self._send(partition, [job], [])
        for row_key in removals:
            await self._send(partition, [], [row_key])

    async def _commit(self, operations: list[Operation]) -> list[str]:
        try:
            results = await self._submit(operations)
        except (TableTransactionError, ResourceNotFoundError) as error:
            if getattr(error, "error_code", None) != TableErrorCode.TABLE_NOT_FOUND:
                raise
            try:
                await self._table.create_table()
            except ResourceExistsError:
                pass
            results = await self._submit(operations)

        return _checked(operations, results)

    async def _submit(self, operations: list[Operation]) -> list[Any]:
        # The SDK does not repeat a POST whose reply was lost; writer tokens make it safe here.
        return list(
            await self._table.submit_transaction(operations, retry_on_methods=_LOST_REPLY_METHODS)
        )


def _take(waiting: _Partition) -> tuple[list[_Job], list[str]]:
    """As many whole jobs as one transaction holds, and removals in what room is left."""
    jobs, count = list[_Job](), 0
    while waiting.jobs and count + len(waiting.jobs[0].operations) <= LIMIT:
        count += len(waiting.jobs[0].operations)
        jobs.append(waiting.jobs.pop(0))
    removals = list(dict.fromkeys(waiting.removals[: LIMIT - count]))
    del waiting.removals[: LIMIT - count]

    return jobs, removals


def _checked(operations: list[Operation], results: list[Any]) -> list[str]:
    """An ETag for each operation, where one is due. Raises StorageError: answers can be odd."""
    if len(results) != len(operations):
        raise StorageError(f"{len(results)} results for {len(operations)} operations")

    etags = [str(result.get("etag") or "") for result in results]
    if any(
        not etag and name != _DELETE for (name, *_), etag in zip(operations, etags, strict=True)
    ):
        raise StorageError("a result without an ETag")

    return etags


def _refusal(error: TableTransactionError) -> Exception:
    if error.status_code in _REFUSALS:
        return RefusedError(error.index, error.status_code)

    return as_storage_error(error, "a transaction")
