"""One queue message in the host's hands: what the function is told, and kept hidden while it runs.

Whether the function succeeded, and what becomes of the message then, is decided by `host_queue`.
"""

import asyncio
import base64
import binascii
import json
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

from azure.core.exceptions import AzureError
from azure.functions.meta import Datum
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from local.host.function import stopped_within
from local.host.host_json import MessageEncoding

_logger = logging.getLogger("local.host")

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?(Z|[+-]\d\d:\d\d)?")


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

    As in the real host, top-level properties of a JSON message hide metadata of the same name, in
    any case of its letters. Surprising, and therefore worth meeting here first.
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
    names = {name.lower(): name for name in metadata}
    own = {names.get(name.lower(), name): value for name, value in _properties(body)}
    return metadata | own


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


def _time(moment: datetime | None) -> Datum:
    return Datum(json.dumps(moment.isoformat() if moment else None), "json")


def _properties(body: str) -> list[tuple[str, Datum]]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return []
    properties = document.items() if isinstance(document, dict) else ()
    return [
        (name, Datum(json.dumps(value), "json") if isinstance(value, dict) else _string(value))
        for name, value in properties
        if value is not None and not isinstance(value, list)
    ]


def _string(value: object) -> Datum:
    # Its JSON reader takes what looks like a time for one, and writes it in its own way.
    if isinstance(value, str) and _TIME.fullmatch(value):
        with suppress(ValueError):
            moment = datetime.fromisoformat(value)
            moment = moment.astimezone(UTC) if moment.tzinfo else moment
            return Datum(f"{moment:%m/%d/%Y %H:%M:%S}", "string")
    return Datum(str(value), "string")
