"""Sends writes that belong together in one transaction, in no more requests than it takes.

One transaction per partition is in flight at a time; what arrives meanwhile goes with the next. A
request's operations are never torn apart, and a refused request takes no other one down with it.
Removals that nobody waits for travel with other writes, or by themselves within a second.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.data.tables import TableErrorCode, TableTransactionError, UpdateMode
from azure.data.tables.aio import TableClient

from offer_cancellation.errors import StorageError
from offer_cancellation.ledger.entity import Row
from offer_cancellation.storage_call import storage_call

OPERATIONS_LIMIT = 100  # of a transaction, as the Table service documents
# It takes 4 MiB, too; from 1 MiB on, writing them out at once would hold the event loop up.
BYTES_LIMIT = 768 * 1024
REMOVE_WITHIN = 1.0  # seconds that a removal waits for other writes
CLOSE_WITHIN = 5.0  # seconds that closing waits: the host gives a stop ten
_OPERATION_BYTES = 1024  # the head of an operation, about
_REFUSALS = (404, 409, 412)  # the row is missing, there already, or of another ETag
_SEPARABLE = (400, 413, *_REFUSALS)  # may be about one of several
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


class RefusedError(StorageError):
    """One request's operations were refused: `status` says why (404, 409, 412)."""


@dataclass(slots=True, eq=False)
class _Job:
    operations: Sequence[Operation]
    etag: asyncio.Future[str] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    size: int = 0  # bytes, about

    def __post_init__(self) -> None:
        rows = (operation[1] for operation in self.operations)
        self.size = sum(len(json.dumps(row, default=str)) + _OPERATION_BYTES for row in rows)

    def settle(self, result: str | Exception) -> None:
        """Tells its caller, unless that one gave up or knows already."""
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
    in_flight: list[_Job] = field(default_factory=list)
    sender: asyncio.Task[None] | None = None
    timer: asyncio.TimerHandle | None = None

    def stop_timer(self) -> None:
        if self.timer:
            self.timer.cancel()
            self.timer = None


class Transactions:
    """Sends operations to one table."""

    def __init__(self, table: TableClient) -> None:
        self._table = table
        self._partitions: defaultdict[str, _Partition] = defaultdict(_Partition)

    async def submit(self, partition: str, operations: Sequence[Operation]) -> str:
        """Carries out one request's operations, all or none; the ETag of the first one's row.

        Raises RefusedError, or StorageError when storage fails: it may have worked all the same.
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
        while True:
            for partition, waiting in self._partitions.items():
                if waiting.removals:
                    self._start(partition)
            senders = [one.sender for one in self._partitions.values() if one.sender]
            if not senders:
                return

            await asyncio.wait(senders)  # not gathered: a cancelled caller would end them all

    async def close(self) -> None:
        """Flushes for a while, and ends what is still under way then."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_WITHIN):
                await self.flush()

        for waiting in self._partitions.values():
            waiting.stop_timer()
            if waiting.sender:
                waiting.sender.cancel()

    def _start(self, partition: str) -> None:
        waiting = self._partitions[partition]
        waiting.stop_timer()
        if waiting.sender is None:
            waiting.sender = asyncio.create_task(self._send_waiting(partition))
            # Not in the task itself: one that is cancelled before it began runs nothing of it.
            waiting.sender.add_done_callback(partial(self._end, partition))

    async def _send_waiting(self, partition: str) -> None:
        waiting = self._partitions[partition]
        while waiting.jobs or waiting.removals:
            waiting.in_flight, removals = _take(waiting)
            await self._send(partition, waiting.in_flight, removals)

    def _end(self, partition: str, sender: asyncio.Task[None]) -> None:
        """However a sender ended, no caller is left without an answer."""
        waiting = self._partitions[partition]
        waiting.sender = None
        if sender.cancelled() or sender.exception():
            for job in (*waiting.in_flight, *waiting.jobs):
                job.settle(StorageError("a transaction was abandoned"))
            waiting.jobs.clear()
        elif waiting.jobs or waiting.removals:  # they came just as it ended
            self._start(partition)

    async def _send(self, partition: str, jobs: list[_Job], removals: list[str]) -> None:
        """Sends both in one transaction, and settles every job."""
        operations = [operation for job in jobs for operation in job.operations]
        operations += [delete(partition, row_key) for row_key in removals]
        if not operations:
            return

        try:
            etags = await self._commit(operations)
        except StorageError as error:
            if error.status in _SEPARABLE and len(jobs) + len(removals) > 1:
                await self._send_apart(partition, jobs, removals)
                return

            for job in jobs:
                job.settle(_told_to_one(error))
        else:
            position = 0
            for job in jobs:
                job.settle(etags[position])
                position += len(job.operations)

    async def _send_apart(self, partition: str, jobs: list[_Job], removals: list[str]) -> None:
        """One was refused, or one row stood there twice: halves, until each stands alone."""
        if jobs and removals:
            await self._send(partition, jobs, [])
            await self._send(partition, [], removals)
            return

        job_half, removal_half = len(jobs) // 2, len(removals) // 2
        await self._send(partition, jobs[:job_half], removals[:removal_half])
        await self._send(partition, jobs[job_half:], removals[removal_half:])

    async def _commit(self, operations: list[Operation]) -> list[str]:
        """An ETag for each operation, where one is due. Raises RefusedError and StorageError."""
        try:
            async with storage_call("a transaction"):
                return _checked(operations, await self._submit(operations))
        except StorageError as error:
            is_refused = isinstance(error.__cause__, TableTransactionError)
            if is_refused and error.status in _REFUSALS:
                text = f"a transaction was refused with HTTP {error.status}"
                raise RefusedError(text, error.status) from error.__cause__
            raise

    async def _submit(self, operations: list[Operation]) -> list[Any]:
        """Sends them, to a table that is made where it is missing."""
        try:
            return await self._submit_once(operations)
        except (TableTransactionError, ResourceNotFoundError) as error:
            if getattr(error, "error_code", None) != TableErrorCode.TABLE_NOT_FOUND:
                raise

        with suppress(ResourceExistsError):
            await self._table.create_table()

        return await self._submit_once(operations)

    async def _submit_once(self, operations: list[Operation]) -> list[Any]:
        # The SDK does not repeat a POST whose reply was lost; writer tokens make it safe here.
        return list(
            await self._table.submit_transaction(operations, retry_on_methods=_LOST_REPLY_METHODS)
        )


def _take(waiting: _Partition) -> tuple[list[_Job], list[str]]:
    """As many whole jobs as one transaction holds, and removals in what room is left."""
    jobs, count, size = list[_Job](), 0, 0
    while waiting.jobs:
        job = waiting.jobs[0]
        count += len(job.operations)
        size += job.size
        if jobs and (count > OPERATIONS_LIMIT or size > BYTES_LIMIT):
            break
        jobs.append(waiting.jobs.pop(0))

    room = OPERATIONS_LIMIT - sum(len(job.operations) for job in jobs)
    removals = list(dict.fromkeys(waiting.removals[:room]))
    del waiting.removals[:room]

    return [job for job in jobs if not job.etag.done()], removals


def _told_to_one(error: StorageError) -> StorageError:
    """The same error for one of several callers: each raises its own."""
    told = type(error)(str(error), error.status)
    told.__cause__ = error.__cause__

    return told


def _checked(operations: list[Operation], results: list[Any]) -> list[str]:
    """Their ETags. Raises StorageError where the answer does not hold what was asked for."""
    if len(results) != len(operations):
        raise StorageError(f"{len(results)} results for {len(operations)} operations")

    etags = [str(result.get("etag") or "") for result in results]
    named = zip(operations, etags, strict=True)
    if any(not etag and name != _DELETE for (name, *_), etag in named):
        raise StorageError("a result without an ETag")

    return etags
