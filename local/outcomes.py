"""Reads what the app says: outcome events from their queue, and the rows of its ledger.

Reading only by the public contract (names of fields and columns), never with the app's own code,
so that what it writes is seen as an outsider sees it.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables.aio import TableClient
from azure.storage.queue.aio import QueueClient

_PAGE = 32
_RECORDS = "RowKey ge 'request-' and RowKey lt 'request.'"
_SHOWN = {
    "httpStatus": "http",
    "operationStatus": "operation",
    "attempts": "posts",
    "polls": "polls",
    "uncertain": "uncertain",
}
_COLUMNS = ["OfferId", "ProductId", "Status", "HttpStatus", "OperationStatus", "Attempts", "Polls"]


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """What the ledger says of one request at the moment; `target`: its offer or product."""

    target: str
    status: str
    attempts: int
    polls: int


async def take_outcomes(queue: QueueClient) -> list[dict[str, Any]]:
    """Take the events off the queue."""
    events = []
    try:
        async for message in queue.receive_messages(messages_per_page=_PAGE):
            events.append(json.loads(base64.b64decode(message.content, validate=True)))
            await queue.delete_message(message)
    except ResourceNotFoundError:
        # The app has not made the queue yet.
        return events

    return events


def target_of(event: Mapping[str, Any]) -> str:
    """Return the offer, or the product, that an outcome event is about."""
    data = event.get("data") or {}
    return str(data.get("offerId") or data.get("productId"))


async def peek_outcomes(queue: QueueClient) -> list[dict[str, Any]]:
    """Return the oldest events; they stay on the queue, for a consumer that may be there.

    No more than a page can be seen. Where nobody consumes, the older half of a full one is deleted,
    so that newer events come into view.
    """
    try:
        texts = await peek_texts(queue)
        if len(texts) == _PAGE:
            async for message in queue.receive_messages(max_messages=_PAGE // 2):
                await queue.delete_message(message)
    except ResourceNotFoundError:
        # The app has not made the queue yet.
        return []

    return [json.loads(base64.b64decode(text, validate=True)) for text in texts]


async def peek_texts(queue: QueueClient) -> list[str]:
    """Return the texts of the first messages as they lie on the queue."""
    return [str(message.content) for message in await queue.peek_messages(_PAGE)]


async def read_ledger(table: TableClient) -> list[LedgerRow]:
    """Return a row per request."""
    try:
        return [
            LedgerRow(
                target=str(entity.get("OfferId") or entity["ProductId"]),
                status=str(entity["Status"]),
                attempts=int(entity.get("Attempts") or 0),
                polls=int(entity.get("Polls") or 0),
            )
            async for entity in table.query_entities(_RECORDS, select=_COLUMNS)
        ]
    except ResourceNotFoundError:
        # The app has not made the table yet.
        return []


def describe(event: Mapping[str, Any]) -> str:
    """Return an outcome event as a compact line, and a second one for its error."""
    data = event.get("data") or {}
    names = ("productId", "submissionId") if "productId" in data else ("publisherId", "offerId")
    target = "/".join(str(data.get(name, "?")) for name in names)
    parts = [f"{data.get('status', '?'):<9}", f"{target:<22}"]
    parts += [f"{label}={data[name]}" for name, label in _SHOWN.items() if name in data]
    if "durationSeconds" in data:
        parts.append(f"in {data['durationSeconds']:.1f} s")

    error = data.get("error")
    lines = ["  ".join(parts)]
    if error:
        lines.append(f"           {error.get('code')}: {error.get('message', '')}")

    return "\n".join(lines)
