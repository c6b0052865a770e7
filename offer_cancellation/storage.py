"""Reaches the queues and the table of the `CANCEL_STORAGE` account.

The connection follows the Functions convention, so that the trigger's binding and the app's own
clients read the same settings. What is missing is created when it is first needed, if the identity
may. Whatever a storage call raises leaves here as a StorageError: the SDKs also raise parser,
index and attribute errors when an answer is odd.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.core.pipeline.transport import AioHttpTransport, AsyncHttpTransport
from azure.data.tables.aio import TableClient
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from offer_cancellation.credential import Credentials
from offer_cancellation.errors import LostUpdateError, StorageError, UnreadableRecordError
from offer_cancellation.original import forms
from offer_cancellation.settings import Settings

NEVER = -1  # time-to-live of a message that must not vanish
PAGE = 32  # messages, the most that one request may ask for

# Three tries of 10 s: an outage must show within an invocation, not outlive its lease.
_PATIENCE: dict[str, Any] = {"retry_total": 2, "connection_timeout": 10, "read_timeout": 10}
_MakeTransport = Callable[..., AsyncHttpTransport[Any, Any]]
_OWN = (StorageError, LostUpdateError, UnreadableRecordError)
_OUTAGES = (401, 403, 404, 408, 429)  # besides 5xx and what has no status at all
_REFUSED_TEXT = (400, 413)  # what a queue cannot hold
_SPENT = (400, 404)  # of a delete: PopReceiptMismatch, MessageNotFound


def as_storage_error(error: Exception, what: str) -> Exception:
    """The same error as a StorageError, unless it is one of the app's own."""
    if isinstance(error, _OWN):
        return error

    status = error.status_code if isinstance(error, HttpResponseError) else None
    storage_error = StorageError(f"{what} failed: {type(error).__name__}", status)
    storage_error.__cause__ = error

    return storage_error


@contextmanager
def storage_errors(what: str) -> Iterator[None]:
    """Turns whatever is raised inside into a StorageError."""
    try:
        yield
    except Exception as error:
        raise as_storage_error(error, what) from error


def is_outage(error: StorageError) -> bool:
    """Whether the place is away, rather than refusing what was sent to it."""
    return error.status is None or error.status in _OUTAGES or error.status >= 500  # noqa: PLR2004


class SendQueue:
    """A queue that the app sends to. Texts go as they are; nothing sent ever expires."""

    def __init__(self, client: QueueClient) -> None:
        self._client = client

    async def send(self, text: str) -> None:
        """Puts one message on the queue, which is made when it is missing. Raises StorageError."""
        with storage_errors("a send"):
            try:
                sent = await self._client.send_message(text, time_to_live=NEVER)
            except ResourceNotFoundError:
                await self._create()
                sent = await self._client.send_message(text, time_to_live=NEVER)
            if not sent.id:
                raise StorageError("the answer to a send names no message")

    async def ensure(self) -> None:
        """Makes the queue unless it is there. Raises StorageError."""
        with storage_errors("making a queue"):
            await self._create()

    async def depth(self) -> int:
        """How many messages it holds, about; 0 without such a queue. Raises StorageError."""
        with storage_errors("counting messages"):
            try:
                properties = await self._client.get_queue_properties()
            except ResourceNotFoundError:
                return 0

            return properties.approximate_message_count or 0

    async def close(self) -> None:
        """Closes its connections."""
        await self._client.close()

    async def _create(self) -> None:
        try:
            await self._client.create_queue()
        except ResourceExistsError as error:
            # 409 is also said of a queue that is just being deleted.
            if getattr(error, "error_code", None) != "QueueAlreadyExists":
                raise


class RejectedQueue(SendQueue):
    """The queue of the originals that the app rejected; only the app writes it."""

    async def keep(self, text: str) -> None:
        """Keeps a text, unchanged where a queue can hold it so. Raises StorageError."""
        *better, smallest = forms(text)
        for form in better:
            try:
                await self.send(form)
            except StorageError as error:
                if error.status not in _REFUSED_TEXT:
                    raise
            else:
                return

        await self.send(smallest)


@dataclass(frozen=True, slots=True)
class Copy:
    """A message that the host gave up, as it was received from the poison queue."""

    id: str
    text: str
    inserted_at: datetime | None
    receipts: int  # how often it was received, this time included
    message: QueueMessage


class PoisonQueue:
    """The queue that the host alone writes: messages that it could not deliver."""

    def __init__(self, client: QueueClient) -> None:
        self._client = client

    async def receive(self, hidden_seconds: int) -> list[Copy]:
        """Some copies, hidden from others for so long. Raises StorageError."""
        with storage_errors("receiving from the poison queue"):
            pages = self._client.receive_messages(
                messages_per_page=PAGE, max_messages=PAGE, visibility_timeout=hidden_seconds
            )
            try:
                messages = [message async for message in pages]
            except ResourceNotFoundError:
                return []

            return [
                Copy(m.id, str(m.content), m.inserted_on, int(m.dequeue_count or 1), m)
                for m in messages
            ]

    async def hide(self, copy: Copy, seconds: int) -> None:
        """Keeps a copy hidden for so long from now on. Raises StorageError."""
        with storage_errors("hiding a copy"):
            updated = await self._client.update_message(copy.message, visibility_timeout=seconds)
            copy.message.pop_receipt = updated.pop_receipt

    async def delete(self, copy: Copy) -> None:
        """Deletes a copy; fine when another tick was faster. Raises StorageError."""
        with storage_errors("deleting a copy"):
            try:
                await self._client.delete_message(copy.message)
            except HttpResponseError as error:
                if error.status_code not in _SPENT:
                    raise

    async def depth(self) -> int:
        """How many copies it holds, about; 0 without such a queue. Raises StorageError."""
        return await SendQueue(self._client).depth()

    async def close(self) -> None:
        """Closes its connections."""
        await self._client.close()


def queue_client(
    settings: Settings,
    credentials: Credentials,
    name: str,
    transport: _MakeTransport = AioHttpTransport,
) -> QueueClient:
    """A queue of the `CANCEL_STORAGE` account."""
    options: dict[str, Any] = {
        **_PATIENCE,
        "transport": transport(**_PATIENCE),
        "initial_backoff": 1,
        "increment_base": 1,
        "random_jitter_range": 1,
    }
    if settings.storage:
        return QueueClient.from_connection_string(settings.storage, name, **options)

    return QueueClient(
        settings.storage_queue_url or "",
        name,
        credential=credentials.of(settings.storage_client_id),
        **options,
    )


def ledger_table(
    settings: Settings, credentials: Credentials, transport: _MakeTransport = AioHttpTransport
) -> TableClient:
    """The ledger's table in the `CANCEL_STORAGE` account."""
    options: dict[str, Any] = {
        **_PATIENCE,
        "transport": transport(**_PATIENCE),
        "retry_backoff_factor": 0.5,
    }
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
