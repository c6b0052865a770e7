"""Queues and the table, reached by connection string or managed identity.

The `CANCEL_STORAGE` connection follows the Functions convention, so that the trigger's binding
and the app's own clients read the same settings. What is missing is created when it is first
needed, if the identity may.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.data.tables.aio import TableClient
from azure.storage.queue.aio import QueueClient

from offer_cancellation.credential import Credentials
from offer_cancellation.settings import Settings

NEVER = -1  # time-to-live of a message that must not vanish

# Three tries of 10 s: an outage must show within an invocation, not outlive its lease.
_PATIENCE: dict[str, Any] = {"retry_total": 2, "connection_timeout": 10, "read_timeout": 10}


class OutQueue:
    """A queue that the app sends to. Texts go as they are; nothing sent ever expires."""

    def __init__(self, client: QueueClient) -> None:
        self._client = client
        self._is_there = False

    async def ensure(self) -> None:
        """Creates the queue unless this process knows that it is there. Raises AzureError."""
        if not self._is_there:
            await self.create()
            self._is_there = True

    async def send(self, text: str) -> None:
        """Puts one message on the queue. Raises azure.core.exceptions.AzureError."""
        try:
            await self._client.send_message(text, time_to_live=NEVER)
        except ResourceNotFoundError:
            await self.create()
            await self._client.send_message(text, time_to_live=NEVER)

    async def create(self) -> None:
        """Creates the queue unless it is there. Raises azure.core.exceptions.AzureError."""
        try:
            await self._client.create_queue()
        except ResourceExistsError:
            pass

    async def close(self) -> None:
        """Closes its connections."""
        await self._client.close()


@dataclass(frozen=True, slots=True)
class Poisoned:
    """A message of the poison queue."""

    id: str
    text: str
    since: datetime | None


class PoisonQueue(OutQueue):
    """The poison queue: the host moves messages there, too, and they stay for replay."""

    async def depth(self) -> int:
        """How many messages it holds, about; 0 when there is no such queue. Raises AzureError."""
        try:
            properties = await self._client.get_queue_properties()
        except ResourceNotFoundError:
            return 0
        return properties.approximate_message_count or 0

    async def peek(self) -> list[Poisoned]:
        """The oldest messages, at most 32. Raises AzureError."""
        messages = await self._client.peek_messages(max_messages=32)
        return [Poisoned(m.id, m.content, m.inserted_on) for m in messages]


def queue_client(settings: Settings, credentials: Credentials, name: str) -> QueueClient:
    """A queue of the `CANCEL_STORAGE` account."""
    options = {**_PATIENCE, "initial_backoff": 1, "increment_base": 1, "random_jitter_range": 1}
    if settings.storage:
        return QueueClient.from_connection_string(settings.storage, name, **options)
    return QueueClient(
        settings.storage_queue_url or "",
        name,
        credential=credentials.of(settings.storage_client_id),
        **options,
    )


def ledger_table(settings: Settings, credentials: Credentials) -> TableClient:
    """The ledger's table in the `CANCEL_STORAGE` account."""
    options = {**_PATIENCE, "retry_backoff_factor": 0.5}
    if settings.storage:
        return TableClient.from_connection_string(
            settings.storage, settings.ledger_table, **options
        )
    return TableClient(
        settings.storage_table_url or "",
        settings.ledger_table,
        credential=credentials.of(settings.storage_client_id),
        **options,
    )
