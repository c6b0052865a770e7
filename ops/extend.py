"""Moves the deadline of everything deferred or accepted: `python -m ops.extend HOURS`.

Never to an earlier time. What is just being submitted is left alone: run it again for that.
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import datetime
from itertools import islice

from azure.data.tables.aio import TableClient

from offer_cancellation import transitions
from offer_cancellation.clock import after, rfc3339, utc_now
from offer_cancellation.errors import LostUpdateError, UnreadableRecordError
from offer_cancellation.ledger.keys import BUCKETS, RecordKey
from offer_cancellation.ledger.table import Ledger
from offer_cancellation.status import Status
from ops.command import amount, run
from ops.storage import open_table

_AT_ONCE = 32


async def extend(table: TableClient, now: datetime, hours: float) -> AsyncIterator[str]:
    """Gives every pending request so many hours from now; says which. Raises StorageError."""
    ledger, deadline = Ledger(table), after(now, hours * 3600)
    for bucket in BUCKETS:
        unfinished = iter(sorted(await ledger.unfinished(bucket)))
        while some := list(islice(unfinished, _AT_ONCE)):
            for line in await asyncio.gather(*(_extend(ledger, key, deadline) for key in some)):
                if line:
                    yield line


async def _extend(ledger: Ledger, key: RecordKey, deadline: datetime) -> str | None:
    """What there is to say of one request; None when it has the time, or has just ended."""
    try:
        old = await ledger.find(key)
    except UnreadableRecordError as error:
        return f"left alone: {error}"

    if old is None or old.status.is_final or old.deadline >= deadline:
        return None
    if old.status is Status.SUBMITTING:
        return f"{old.request_id} is just being submitted: run this again"
    try:
        await ledger.save(old, transitions.extended(old, deadline))
    except LostUpdateError:
        return f"{old.request_id} has just moved: run this again"

    return f"{old.request_id} {rfc3339(old.deadline)} -> {rfc3339(deadline)}"


async def _lines(arguments: argparse.Namespace) -> AsyncIterator[str]:
    async with open_table() as table:
        async for line in extend(table, utc_now(), arguments.hours):
            yield line


def main() -> int:
    """Extends; 1 when storage could not be reached."""
    parser = argparse.ArgumentParser(prog="python -m ops.extend", description=__doc__)
    parser.add_argument("hours", type=amount, help="from now to the new deadline")
    return run(_lines(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
