"""The storage as an outsider sees it: messages sent, events and texts taken, the ledger read.

By the public contract only, never with the app's own code. Every call fails fast: what to do
while the storage is away is the caller's business.
"""

import base64
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.data.tables.aio import TableClient, TableServiceClient
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from chaos.observed import Row, Snapshot

_PAGE = 32
_HIDDEN_SECONDS = 30
_OPTIONS: dict[str, Any] = {"retry_total": 0, "connection_timeout": 3, "read_timeout": 5}


class Storage:
    """The queues and the table of one run."""

    def __init__(self, queues: QueueServiceClient, tables: TableServiceClient) -> None:
        self._requests = queues.get_queue_client("cancel-requests")
        self._outcomes = queues.get_queue_client("cancel-outcomes")
        self._rejected = queues.get_queue_client("cancel-requests-rejected")
        self._table: TableClient = tables.get_table_client("cancellations")
        self._taken: set[str] = set()

    async def send(self, text: str) -> str:
        """Put a message on the queue; returns its id. Raises AzureError."""
        return str((await self._requests.send_message(text)).id)

    async def waiting(self) -> int:
        """How many messages the request queue holds, hidden ones too. Raises AzureError."""
        properties = await self._requests.get_queue_properties()
        return properties.approximate_message_count or 0

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
        async for message in pages:
            if message.id not in self._taken:
                self._taken.add(message.id)
                yield str(message.content)
            try:
                await queue.delete_message(message)
            except AzureError:
                pass  # it comes again, and is known then


@asynccontextmanager
async def open_storage(connection_string: str) -> AsyncIterator[Storage]:
    """Open the clients for as long as the block lasts."""
    async with AsyncExitStack() as stack:
        queues = QueueServiceClient.from_connection_string(connection_string, **_OPTIONS)
        tables = TableServiceClient.from_connection_string(connection_string, **_OPTIONS)
        await stack.enter_async_context(queues)
        await stack.enter_async_context(tables)
        yield Storage(queues, tables)
