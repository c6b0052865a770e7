"""Shows what the app rejected: `python -m ops.rejected [list | put-back ID … | drop ID …]`.

Lists every original in the rejected queue; puts chosen ones back on the request queue, or drops
them. Meanwhile they are hidden from others: until the command ends, or for five minutes if it is
stopped.
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from datetime import datetime

from azure.core.exceptions import HttpResponseError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from offer_cancellation.clock import rfc3339, utc_now
from offer_cancellation.request import InvalidRequest, parse
from offer_cancellation.storage import NEVER, PAGE
from offer_cancellation.text import mask_secrets
from ops.command import run
from ops.storage import open_queues

_HIDDEN_SECONDS = 300
_GONE = (400, 404)  # PopReceiptMismatch, MessageNotFound


async def list_all(rejected: QueueClient, now: datetime) -> AsyncIterator[str]:
    """Every original, and what is wrong with each, in the queue's own order. Raises AzureError."""
    count = 0
    async with aclosing(_each(rejected)) as messages:
        async for message in messages:
            count += 1
            yield _description(message, now)

    if not count:
        yield "no message is to be seen"


async def put_back(
    rejected: QueueClient, requests: QueueClient, chosen: Sequence[str]
) -> AsyncIterator[str]:
    """Moves them to the request queue, where they never expire. Raises AzureError."""
    async for line in _take(rejected, chosen, "put back", requests):
        yield line


async def drop(rejected: QueueClient, chosen: Sequence[str]) -> AsyncIterator[str]:
    """Deletes them. Raises AzureError."""
    async for line in _take(rejected, chosen, "dropped"):
        yield line


async def _take(
    rejected: QueueClient, chosen: Sequence[str], word: str, requests: QueueClient | None = None
) -> AsyncIterator[str]:
    missing = set(chosen)
    async with aclosing(_each(rejected)) as messages:
        async for message in messages:
            if message.id in missing:
                if requests:  # first: a message may be there twice, but not vanish
                    await requests.send_message(_put_back_text(message), time_to_live=NEVER)
                await rejected.delete_message(message)
                missing.remove(message.id)
                yield f"{message.id} {word}"
            if not missing:
                break

    for message_id in sorted(missing):
        yield f"{message_id} is not there, or another command holds it: try again in five minutes"


async def _each(rejected: QueueClient) -> AsyncGenerator[QueueMessage, None]:
    """Every message once, hidden until this ends: a peek would show the oldest 32 alone."""
    received = dict[str, QueueMessage]()
    pages = rejected.receive_messages(messages_per_page=PAGE, visibility_timeout=_HIDDEN_SECONDS)
    try:
        async for page in pages.by_page():
            messages = [message async for message in page]
            new = [message for message in messages if message.id not in received]
            received |= {message.id: message for message in messages}
            for message in new:
                yield message
            if len(new) < len(messages):  # once round: it took longer than they are hidden
                break
    finally:
        await _show_again(rejected, list(received.values()))


async def _show_again(rejected: QueueClient, messages: list[QueueMessage]) -> None:
    async def show(message: QueueMessage) -> None:
        try:
            await rejected.update_message(message, visibility_timeout=0)
        except HttpResponseError as error:
            if error.status_code not in _GONE:
                raise

    for first in range(0, len(messages), PAGE):
        await asyncio.gather(*map(show, messages[first : first + PAGE]))


def _put_back_text(message: QueueMessage) -> str:
    """The original; a request without an id of its own gets one from the kept message.

    So it stays one request, however often it is put back.
    """
    text = str(message.content)
    request = parse(text, message.id)
    if isinstance(request, InvalidRequest) or request.request_id != f"msg-{message.id}":
        return text

    return request.model_dump_json(by_alias=True, exclude_unset=True, exclude_none=True)


def _description(message: QueueMessage, now: datetime) -> str:
    """Its id, its request's id, since when it lies there, what is wrong with it, and its text."""
    text = str(message.content)
    request = parse(text, message.id)
    verdict = request.error.message if isinstance(request, InvalidRequest) else "a valid request"
    since = rfc3339(message.inserted_on or now)
    lines = (message.id, request.request_id, since, verdict, mask_secrets(text))

    return "\n  ".join(map(_printable, lines))


def _printable(text: str) -> str:
    """Anybody may have written it: nothing in it reaches the terminal as a command."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


async def _lines(arguments: argparse.Namespace) -> AsyncIterator[str]:
    async with open_queues() as (rejected, requests):
        if arguments.word == "put-back":
            lines = put_back(rejected, requests, arguments.message_ids)
        elif arguments.word == "drop":
            lines = drop(rejected, arguments.message_ids)
        else:
            lines = list_all(rejected, utc_now())
        async for line in lines:
            yield line


def main() -> int:
    """Lists, puts back or drops; 1 when storage could not be reached."""
    parser = argparse.ArgumentParser(prog="python -m ops.rejected", description=__doc__)
    words = parser.add_subparsers(dest="word")
    words.add_parser("list", help="every one, and what is wrong with it; without a word, too")
    for word, does in (("put-back", "on the request queue again"), ("drop", "delete")):
        words.add_parser(word, help=does).add_argument(
            "message_ids", nargs="+", metavar="message_id"
        )

    return run(_lines(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
