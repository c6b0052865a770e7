"""What the commands share: amounts as arguments, and lines that are shown as they come."""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator

from azure.core.exceptions import AzureError

from offer_cancellation.errors import StorageError
from ops.storage import MissingVariableError

_LIMIT = 100_000  # hours or days: any more is a slip


def amount(text: str) -> float:
    """A number of hours or days, from the command line."""
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value <= _LIMIT:  # nor NaN
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0 and up to {_LIMIT:,}")
    return value


def run(lines: AsyncIterator[str]) -> int:
    """Runs a command to its end; its exit code."""
    return asyncio.run(show(lines))


async def show(lines: AsyncIterator[str]) -> int:
    """Prints each line when it comes; 1 when the rest does not come."""
    try:
        async for line in lines:
            print(line, flush=True)
    except MissingVariableError as error:
        print(error, file=sys.stderr)
        return 1
    except (AzureError, StorageError) as error:
        print(f"stopped: {error}", file=sys.stderr)
        return 1
    return 0
