"""Puts one message on the request queue: `python -m local.send '<json>'`.

The text goes out as it is, valid or not: what the app makes of it is the point.
"""

import argparse
import asyncio
import base64
import os
import sys

from azure.core.exceptions import AzureError
from azure.storage.queue.aio import QueueClient


async def send(connection_string: str, queue: str, text: str) -> str:
    """Send the text and return the message's id."""
    async with QueueClient.from_connection_string(connection_string, queue) as client:
        message = await client.send_message(text)

    return str(message.id)


def main() -> int:
    """Send the message; exit code 1 when the storage did not take it."""
    parser = argparse.ArgumentParser(prog="python -m local.send", description=__doc__)
    parser.add_argument("text", help="the message, usually JSON")
    parser.add_argument(
        "--connection-string",
        default=os.environ.get("CANCEL_STORAGE"),
        help="of the storage account; default: CANCEL_STORAGE in the environment",
    )
    parser.add_argument("--queue", default=os.environ.get("CANCEL_QUEUE", "cancel-requests"))
    parser.add_argument("--base64", action="store_true", help="encode it, as many SDKs do")
    arguments = parser.parse_args()
    if not arguments.connection_string:
        parser.error("give --connection-string, or set CANCEL_STORAGE")

    text = arguments.text
    if arguments.base64:
        text = base64.b64encode(text.encode()).decode()

    try:
        message_id = asyncio.run(send(arguments.connection_string, arguments.queue, text))
    except AzureError as error:
        print(f"not sent: {error}", file=sys.stderr)
        return 1

    print(f"sent as {message_id}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
