"""Shows what the app rejected: `python -m ops.rejected [list | put-back ID … | drop ID …]`.

Lists the oldest 32 messages; puts chosen ones back on the request queue, or drops them. What was
fetched but not chosen shows again after a minute.
"""

import argparse
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from azure.storage.queue.aio import QueueClient

from offer_cancellation.clock import rfc3339, utc_now
from offer_cancellation.request import InvalidRequest, parse
from offer_cancellation.storage import NEVER
from ops.command import run
from ops.storage import open_queues

_PAGE = 32  # messages, the most that one request may ask for
_HIDDEN_SECONDS = 60


async def show_oldest(rejected: QueueClient, now: datetime) -> AsyncIterator[str]:
    """The oldest messages, and what is wrong with each. Raises AzureError."""
    messages = await rejected.peek_messages(max_messages=_PAGE)
    for message in messages:
        text = str(message.content)
        request = parse(text, str(message.id))
        verdict = request.error.message if isinstance(request, InvalidRequest) else "a good request"
        since = message.inserted_on or now
        yield "\n  ".join(
            map(_printable, (str(message.id), request.request_id, rfc3339(since), verdict, text))
        )
    if not messages:
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
    missing, seen = set(chosen), set[str]()
    async for message in rejected.receive_messages(
        messages_per_page=_PAGE, visibility_timeout=_HIDDEN_SECONDS
    ):
        message_id = str(message.id)
        if message_id in seen:  # once round: it is visible again
            break
        seen.add(message_id)
        if message_id in missing:
            if requests:  # first: a message may be there twice, but not vanish
                await requests.send_message(message.content, time_to_live=NEVER)
            await rejected.delete_message(message)
            missing.remove(message_id)
            yield f"{message_id} {word}"
        if not missing:
            break
    for message_id in sorted(missing):
        yield f"{message_id} is not there, or was fetched within the last minute"


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
            lines = show_oldest(rejected, utc_now())
        async for line in lines:
            yield line


def main() -> int:
    """Lists, puts back or drops; 1 when storage could not be reached."""
    parser = argparse.ArgumentParser(prog="python -m ops.rejected", description=__doc__)
    words = parser.add_subparsers(dest="word")
    words.add_parser("list", help="the oldest, and what is wrong with each; without a word, too")
    for word, does in (("put-back", "on the request queue again"), ("drop", "delete")):
        words.add_parser(word, help=does).add_argument(
            "message_ids", nargs="+", metavar="message_id"
        )
    return run(_lines(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
