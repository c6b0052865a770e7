"""Writes that belong together, sent together, and no more requests than it takes.

One transaction a partition is in flight at a time; what arrives meanwhile goes with the next. A
request's operations are never torn apart, and a refused request takes no other one down with it.
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

from offer_cancellation.ledger.entity import Row

LIMIT = 100  # operations a transaction may hold, as the Table service documents
_REFUSALS = (404, 409, 412)  # the row is missing, there already, or of another ETag
_LOST_REPLY_METHODS = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "POST", "MERGE"})

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


def delete(row_keys: Row) -> Operation:
    """Delete; refused when the row is not there."""
    return ("delete", row_keys)


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


class Transactions:
    """Sends operations to one table."""

    def __init__(self, table: TableClient) -> None:
        self._table = table
        self._waiting: defaultdict[str, list[_Job]] = defaultdict(list)
        self._senders: dict[str, asyncio.Task[None]] = {}

    async def submit(self, partition: str, operations: Sequence[Operation]) -> str:
        """Carries out one request's operations, all or none; the ETag of the first one's row.

        Raises RefusedError, or azure.core.exceptions.AzureError when storage fails.
        """
        job = _Job(operations)
        self._waiting[partition].append(job)
        if partition not in self._senders:
            self._senders[partition] = asyncio.create_task(self._send_waiting(partition))
        return await job.etag

    async def _send_waiting(self, partition: str) -> None:
        try:
            while jobs := self._take(partition):
                await self._send(jobs)
        finally:
            del self._senders[partition]

    def _take(self, partition: str) -> list[_Job]:
        """As many whole jobs as one transaction holds."""
        waiting, taken, count = self._waiting[partition], list[_Job](), 0
        while waiting and count + len(waiting[0].operations) <= LIMIT:
            count += len(waiting[0].operations)
            taken.append(waiting.pop(0))
        return taken

    async def _send(self, jobs: list[_Job]) -> None:
        try:
            etags = await self._commit([o for job in jobs for o in job.operations])
        except TableTransactionError as error:
            if len(jobs) > 1:  # one row twice, or one refused: each on its own
                for job in jobs:
                    await self._send([job])
            elif error.status_code in _REFUSALS:
                _settle(jobs[0], RefusedError(error.index, error.status_code))
            else:
                _settle(jobs[0], error)
        except Exception as fault:  # noqa: BLE001 - each waiting caller is told
            for job in jobs:
                _settle(job, fault)
        else:
            position = 0
            for job in jobs:
                _settle(job, etags[position])
                position += len(job.operations)

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
        return [str(result.get("etag", "")) for result in results]

    async def _submit(self, operations: list[Operation]) -> list[Any]:
        # The SDK does not repeat a POST whose reply was lost; writer tokens make it safe here.
        return list(
            await self._table.submit_transaction(operations, retry_on_methods=_LOST_REPLY_METHODS)
        )


def _settle(job: _Job, result: str | Exception) -> None:
    if job.etag.done():  # its caller gave up
        return
    if isinstance(result, Exception):
        job.etag.set_exception(result)
    else:
        job.etag.set_result(result)
