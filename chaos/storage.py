"""The storage as an outsider sees it: messages sent, events and texts taken, the ledger read.

By the public contract only, never with the app's own code. Every call fails fast: what to do
while the storage is away is the caller's business.
"""

import base64
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.data.tables.aio import TableClient, TableServiceClient
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from chaos.messages import Request
from chaos.observed import Row, Snapshot
from chaos.offers import PUBLISHER

_PAGE = 32
_HIDDEN_SECONDS = 30
_OPTIONS: dict[str, Any] = {"retry_total": 0, "connection_timeout": 3, "read_timeout": 5}


class Storage:
    """The queues and the table of one run."""

    def __init__(self, queues: QueueServiceClient, tables: TableServiceClient) -> None:
        self._requests = queues.get_queue_client("cancel-requests")
        self._outcomes = queues.get_queue_client("cancel-outcomes")
        self._rejected = queues.get_queue_client("cancel-requests-rejected")
        self._poison = queues.get_queue_client("cancel-requests-poison")
        self._queues = queues
        self._tables = tables
        self._table: TableClient = tables.get_table_client("cancellations")
        self._taken: set[str] = set()

    async def send(self, text: str) -> str:
        """Put a message on the queue; returns its id. Raises AzureError."""
        return str((await self._requests.send_message(text)).id)

    async def waiting(self) -> int:
        """How many messages the request queue holds, hidden ones too. Raises AzureError."""
        return await _count(self._requests)

    async def poisoned(self) -> int:
        """How many the poison queue holds, hidden ones too. Raises AzureError."""
        return await _count(self._poison)

    async def delete_queue(self, name: str) -> None:
        """Delete a queue with all that is in it. Raises AzureError."""
        await self._queues.delete_queue(name)

    async def leave_behind(self, request: Request, now: datetime) -> None:
        """Write a request whose claimers died, the last one ten minutes ago. Raises AzureError."""
        digest = sha256(request.request_id.encode()).hexdigest()
        began, lease_until = now - timedelta(minutes=15), now - timedelta(minutes=10)
        key = lease_until.strftime("%Y%m%dT%H%M%S") + "000Z"
        common = {"PartitionKey": digest[0], "RequestId": request.request_id,
                  "RequestedAt": began, "Status": "submitting"}  # fmt: skip
        record = {
            **common,
            "RowKey": f"request-{digest}",
            "Version": 1,
            "Run": 1,
            "PublisherId": PUBLISHER,
            "OfferId": request.offer_id,
            "Source": "/offer-cancellation/local",
            "Attempts": request.deaths,
            "Deaths": request.deaths,
            "Uncertain": True,
            "UncertainSince": began,
            "FirstAttemptAt": began,
            "AttemptAt": began,
            "LeaseUntil": lease_until.replace(microsecond=0),
            "DueAt": lease_until.replace(microsecond=0),
            "Deadline": now + timedelta(days=1),
        }
        due_row = {**common, "RowKey": f"due-{key}-{digest}"}
        await self._tables.create_table_if_not_exists(self._table.table_name)
        await self._table.submit_transaction([("create", record), ("create", due_row)])

    async def take_events(self) -> AsyncIterator[dict[str, Any]]:
        """Take what came to the outcome queue. Raises AzureError."""
        async for text in self._take(self._outcomes):
            yield json.loads(base64.b64decode(text, validate=True))

    def take_rejected(self) -> AsyncIterator[str]:
        """Take the texts of the rejected queue. Raises AzureError."""
        return self._take(self._rejected)

    async def read_ledger(self) -> Snapshot:
        """Read every row of the table. Raises AzureError."""
        records: dict[str, Row] = {}
        due: defaultdict[str, set[str]] = defaultdict(set)
        try:
            async for entity in self._table.list_entities():
                row_key = str(entity["RowKey"])
                digest = row_key.rpartition("-")[2]
                if row_key.startswith("due-"):
                    due[digest].add(row_key)
                elif row_key.startswith("request-"):
                    records[digest] = Row(
                        request_id=str(entity["RequestId"]),
                        offer_id=str(entity["OfferId"]),
                        status=str(entity["Status"]),
                        etag=str(entity.metadata["etag"]),
                        columns=dict(entity),
                    )
        except ResourceNotFoundError:
            return Snapshot()  # the app has not made the table yet
        return Snapshot(records, {digest: frozenset(keys) for digest, keys in due.items()})

    async def _take(self, queue: QueueClient) -> AsyncIterator[str]:
        """Take all that lies there; what comes twice because its deletion failed counts once."""
        pages = queue.receive_messages(messages_per_page=_PAGE, visibility_timeout=_HIDDEN_SECONDS)
        try:
            async for message in pages:
                if message.id not in self._taken:
                    self._taken.add(message.id)
                    yield str(message.content)
                try:
                    await queue.delete_message(message)
                except AzureError:
                    pass  # it comes again, and is known then
        except ResourceNotFoundError:
            return  # deleted, and not made again yet


async def _count(queue: QueueClient) -> int:
    try:
        properties = await queue.get_queue_properties()
    except ResourceNotFoundError:
        return 0

    return properties.approximate_message_count or 0


@asynccontextmanager
async def open_storage(connection_string: str) -> AsyncIterator[Storage]:
    """Open the clients for as long as the block lasts."""
    async with AsyncExitStack() as stack:
        queues = QueueServiceClient.from_connection_string(connection_string, **_OPTIONS)
        tables = TableServiceClient.from_connection_string(connection_string, **_OPTIONS)
        await stack.enter_async_context(queues)
        await stack.enter_async_context(tables)
        yield Storage(queues, tables)
