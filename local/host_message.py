"""One queue message in the host's hands: decoded for the function, and kept hidden while it runs.

Whether the function succeeded, and what becomes of the message then, is decided by `host_queue`.
"""

import asyncio
import base64
import binascii
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import azure.functions as func
from azure.core.exceptions import AzureError
from azure.functions.queue import QueueMessage as TriggerMessage
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from local.host_function import stopped_within
from local.host_json import MessageEncoding

_logger = logging.getLogger("local.host")


def trigger_input(message: QueueMessage, encoding: MessageEncoding) -> func.QueueMessage:
    """Build what the function is called with; ValueError: the text is not in the encoding."""
    text = str(message.content)
    body = text if encoding == "none" else _decode(text)
    message_id, dequeue_count = _metadata(body, message)
    # Its constructor has no annotations.
    return TriggerMessage(  # type: ignore[no-untyped-call]
        id=message_id,
        body=body,
        dequeue_count=dequeue_count,
        expiration_time=message.expires_on,
        insertion_time=message.inserted_on,
        time_next_visible=message.next_visible_on,
        pop_receipt=message.pop_receipt,
    )


@asynccontextmanager
async def kept_hidden(
    queue: QueueClient, message: QueueMessage, seconds: float
) -> AsyncIterator[None]:
    """Renew the message's visibility timeout until the block ends, and its pop receipt with it."""
    done = asyncio.Event()
    renewal = asyncio.create_task(_renew(queue, message, seconds, done))
    try:
        yield
    finally:
        # Not cancelled: a renewal on its way changes the receipt that the message is deleted with.
        done.set()
        await renewal


async def _renew(
    queue: QueueClient, message: QueueMessage, seconds: float, done: asyncio.Event
) -> None:
    while not await stopped_within(done, seconds / 2):
        try:
            await hide(queue, message, seconds)
        except AzureError as error:
            fields = {"message_id": message.id, "error": type(error).__name__}
            _logger.warning("queue.renewal_failed", extra=fields)


async def hide(queue: QueueClient, message: QueueMessage, seconds: float) -> None:
    """Make the message invisible for so long from now on."""
    updated = await queue.update_message(
        message.id, message.pop_receipt, visibility_timeout=round(seconds)
    )
    message.pop_receipt = updated.pop_receipt


def _decode(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError(f"not base64: {error}") from None


def _metadata(body: str, message: QueueMessage) -> tuple[str, int]:
    # As the real host does: top-level properties of a JSON message hide the trigger's metadata of
    # the same name. Surprising, and therefore worth meeting here first.
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    properties = document if isinstance(document, dict) else {}
    named = {name.lower(): value for name, value in properties.items()}
    message_id, count = named.get("id"), named.get("dequeuecount")
    return (
        message_id if isinstance(message_id, str) else message.id,
        count if isinstance(count, int) else message.dequeue_count or 1,
    )
