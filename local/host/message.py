"""Says what the host tells a function of a queue message, and keeps the message hidden meanwhile.

Whether the function succeeded, and what becomes of the message then, is decided by `queue`.
"""

import asyncio
import base64
import binascii
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from azure.core.exceptions import AzureError
from azure.functions.meta import Datum
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from local.host.dotnet_text import compact, invariant
from local.host.host_json import MessageEncoding
from local.host.lenient_json import Constructor, Undefined, Value, read_object
from local.host.waiting import stopped_within

_logger = logging.getLogger("local.host")

# In the real host's metadata too, with nothing in it that a function would see.
_SYSTEM = "sys"


def decoded(text: str, encoding: MessageEncoding) -> str:
    """Return the text as the function gets it; ValueError: it is not in the encoding."""
    if encoding == "none":
        return text

    try:
        return base64.b64decode("".join(text.split()), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError(f"not base64: {error}") from None


def trigger_metadata(body: str, message: QueueMessage) -> dict[str, Datum]:
    """Return what the host tells of a message besides its text.

    As in the real host, the properties of a JSON message replace metadata of the same name, in any
    case of its letters. Surprising, and therefore worth meeting here first.
    """
    metadata = {
        "QueueTrigger": Datum(body, "string"),
        "Id": Datum(message.id, "string"),
        "PopReceipt": Datum(message.pop_receipt, "string"),
        "DequeueCount": Datum(json.dumps(message.dequeue_count or 1), "json"),
        "InsertionTime": _time(message.inserted_on),
        "ExpirationTime": _time(message.expires_on),
        "NextVisibleTime": _time(message.next_visible_on),
    }
    names = {name.lower(): name for name in (*metadata, _SYSTEM)}
    for name, datum in _properties(body):
        metadata[names.setdefault(name.lower(), name)] = datum

    return metadata


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
        else:
            _logger.debug("queue.renewed", extra={"message_id": message.id})


async def hide(queue: QueueClient, message: QueueMessage, seconds: float) -> None:
    """Make the message invisible for so long from now on."""
    updated = await queue.update_message(
        message.id, message.pop_receipt, visibility_timeout=round(seconds)
    )
    message.pop_receipt = updated.pop_receipt


def _time(moment: datetime | None) -> Datum:
    return Datum(json.dumps(moment.isoformat() if moment else None), "json")


def _properties(body: str) -> list[tuple[str, Datum]]:
    """Return what replaces metadata: nothing when the host cannot read the text, or part of it."""
    try:
        document = read_object(body)
        return [(name, _datum(value)) for name, value in document.items() if _counts(value)]
    except ValueError:
        return []


def _counts(value: Value) -> bool:
    return not (value is None or isinstance(value, list | Undefined))


def _datum(value: Value) -> Datum:
    match value:
        case dict():
            return Datum(compact(value), "json")
        case Constructor() | list() | Undefined() | None:
            raise ValueError("not a value that has a text")
        case _:
            return Datum(invariant(value), "string")
