"""Removes old records: `python -m ops.remove DAYS [--delete]`.

Only what has been finished and past its deadline for so many days, at least seven, and whose
outcome is out. Without `--delete` it only counts.
"""

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime
from itertools import islice

from azure.data.tables.aio import TableClient

from offer_cancellation.clock import after, utc_now
from offer_cancellation.errors import LostUpdateError, UnreadableRecordError
from offer_cancellation.ledger.keys import BUCKETS, RecordKey
from offer_cancellation.ledger.table import Ledger
from ops.command import amount, run
from ops.storage import open_table

MIN_DAYS = 7  # as long as an ordinary message lives on a queue
_AT_ONCE = 32


async def remove(
    table: TableClient, now: datetime, days: float, *, delete: bool = False
) -> AsyncIterator[str]:
    """Removes or counts them, and says which it leaves alone and why. Raises StorageError."""
    ledger, days, count = Ledger(table), max(days, MIN_DAYS), Counter[str]()
    moment = after(now, -days * 86400)
    for bucket in BUCKETS:
        # Read first: what is given a due row later on is changed by that, and not removed.
        owed = {row.record_key for row in await ledger.pending_rows(bucket)}
        ended = iter([key async for key in ledger.ended_before(bucket, moment) if key not in owed])
        while some := list(islice(ended, _AT_ONCE)):
            for line in await asyncio.gather(*(_remove(ledger, key, delete) for key in some)):
                count[line] += 1
                if line:
                    yield line

    done = "removed" if delete else "would go; add --delete"
    yield f"{count['']} {done} (finished and past their deadline for {days:g} days)"


async def _remove(ledger: Ledger, key: RecordKey, delete: bool) -> str:
    """Removes one if that is wanted; why it is left alone, if it is."""
    try:
        record = await ledger.find(key)
        if record and delete:
            await ledger.remove(record)
    except (UnreadableRecordError, LostUpdateError) as error:
        return f"left alone: {error}"

    return ""


async def _lines(arguments: argparse.Namespace) -> AsyncIterator[str]:
    async with open_table() as table:
        async for line in remove(table, utc_now(), arguments.days, delete=arguments.delete):
            yield line


def main() -> int:
    """Removes; 1 when storage could not be reached."""
    parser = argparse.ArgumentParser(prog="python -m ops.remove", description=__doc__)
    parser.add_argument("days", type=amount, help=f"at least {MIN_DAYS}: less counts as that")
    parser.add_argument("--delete", action="store_true", help="remove them, do not only count")

    return run(_lines(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
