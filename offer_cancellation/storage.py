"""Reaches the queues and the table of the `CANCEL_STORAGE` account.

The connection follows the Functions convention, so that the trigger's binding and the app's own
clients read the same settings. What is missing is created when it is first needed, if the identity
may. Whatever a call raises leaves here as a StorageError, and so does an answer that does not hold
what was asked for.
"""

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.core.pipeline import PipelineResponse
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.data.tables.aio import TableClient
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from offer_cancellation.credential import Credentials
from offer_cancellation.errors import StorageError
from offer_cancellation.original import forms
from offer_cancellation.settings import Settings
from offer_cancellation.storage_call import is_outage, storage_call

__all__ = [
    "Copy",
    "PoisonQueue",
    "RejectedQueue",
    "SendQueue",
    "is_outage",
    "ledger_table",
    "queue_client",
]

Transport = AsyncHttpTransport[Any, Any]

NEVER = -1  # time-to-live of a message that must not vanish
PAGE = 32  # messages, the most that one request may ask for

# Three tries of 10 s: an outage must show within an invocation, not outlive its lease.
_PATIENCE: dict[str, Any] = {
    "retry_total": 2,
    "connection_timeout": 10,
    "read_timeout": 10,
    "permit_redirects": False,  # what is signed for the account goes nowhere else
}
_MISSING = ("QueueNotFound", "ResourceNotFound")
_REFUSED_TEXT = (400, 413)  # what a queue cannot hold
_SPENT = ("PopReceiptMismatch", "MessageNotFound", *_MISSING)


def _is_missing(error: HttpResponseError) -> bool:
    """Whether the service says that there is no such queue; a gateway's 404 says nothing of it."""
    return getattr(error, "error_code", None) in _MISSING


class SendQueue:
    """A queue that the app sends to. Texts go as they are; nothing sent ever expires."""

    def __init__(self, client: QueueClient) -> None:
        self._client = client

    async def send(self, text: str) -> None:
        """Puts one message on the queue, which is made when it is missing. Raises StorageError."""
        async with storage_call("a send"):
            try:
                sent = await self._client.send_message(text, time_to_live=NEVER)
            except ResourceNotFoundError:
                await self._create()
                sent = await self._client.send_message(text, time_to_live=NEVER)
            if not sent.id:
                raise StorageError("the answer to a send names no message")

    async def ensure(self) -> None:
        """Makes the queue unless it is there. Raises StorageError."""
        async with storage_call("making a queue"):
            await self._create()

    async def depth(self) -> int:
        """How many messages it holds, about; 0 without such a queue. Raises StorageError."""
        async with storage_call("counting messages"):
            try:
                properties = await self._client.get_queue_properties()
            except ResourceNotFoundError as error:
                if _is_missing(error):
                    return 0
                raise
            if properties.approximate_message_count is None:
                raise StorageError("the answer does not hold how many messages there are")

            return properties.approximate_message_count

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
        async with storage_call("receiving from the poison queue"):
            pages = self._client.receive_messages(
                messages_per_page=PAGE, max_messages=PAGE, visibility_timeout=hidden_seconds
            )
            try:
                return [_copy(message) async for message in pages]
            except ResourceNotFoundError as error:
                if _is_missing(error):
                    return []
                raise

    async def hide(self, copy: Copy, seconds: int) -> bool:
        """Keeps a copy hidden for so long from now on. False when another tick was faster.

        Raises StorageError.
        """
        async with storage_call("hiding a copy"):
            try:
                updated = await self._client.update_message(
                    copy.message, visibility_timeout=seconds
                )
            except HttpResponseError as error:
                if getattr(error, "error_code", None) not in _SPENT:
                    raise
                return False

            if not updated.pop_receipt:
                raise StorageError("the answer to hiding a copy holds no receipt")
            copy.message.pop_receipt = updated.pop_receipt

        return True

    async def delete(self, copy: Copy) -> None:
        """Deletes a copy; fine when another tick was faster. Raises StorageError."""
        async with storage_call("deleting a copy"):
            try:
                await self._client.delete_message(copy.message)
            except HttpResponseError as error:
                if getattr(error, "error_code", None) not in _SPENT:
                    raise

    async def depth(self) -> int:
        """How many copies it holds, about; 0 without such a queue. Raises StorageError."""
        return await SendQueue(self._client).depth()

    async def close(self) -> None:
        """Closes its connections."""
        await self._client.close()


def _copy(message: QueueMessage) -> Copy:
    """A received message. Raises StorageError for one that could not be settled."""
    if not message.id or not message.pop_receipt or not isinstance(message.content, str):
        raise StorageError("a received message lacks its id, its receipt or its text")

    return Copy(
        message.id, message.content, message.inserted_on, int(message.dequeue_count or 1), message
    )


def _check_rows(response: PipelineResponse[Any, Any]) -> None:
    """Rows come as JSON: the SDK takes XML for a list without rows. Raises StorageError."""
    answer = response.http_response
    is_rows = response.http_request.method == "GET" and answer.status_code == HTTPStatus.OK
    if is_rows and "json" not in (answer.content_type or ""):
        raise StorageError("the answer to a query is not JSON")


def queue_client(
    settings: Settings,
    credentials: Credentials,
    name: str,
    transport: Transport | None = None,
) -> QueueClient:
    """A queue of the `CANCEL_STORAGE` account; without a transport the SDK makes its own."""
    options = {**_PATIENCE, "initial_backoff": 1, "increment_base": 1, "random_jitter_range": 1}
    options |= {"transport": transport} if transport else {}
    if settings.storage:
        return QueueClient.from_connection_string(settings.storage, name, **options)

    return QueueClient(
        settings.storage_queue_url or "",
        name,
        credential=credentials.of(settings.storage_client_id),
        **options,
    )


def ledger_table(
    settings: Settings, credentials: Credentials, transport: Transport | None = None
) -> TableClient:
    """The ledger's table in the `CANCEL_STORAGE` account; a transport as for a queue."""
    options = {**_PATIENCE, "retry_backoff_factor": 0.5, "raw_response_hook": _check_rows}
    options |= {"transport": transport} if transport else {}
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
