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

from azure.core import MatchConditions
from azure.core.exceptions import ResourceModifiedError
from azure.data.tables import TableEntity
from azure.data.tables.aio import TableClient

from offer_cancellation.clock import after, utc_now
from offer_cancellation.errors import UnreadableRecordError
from offer_cancellation.ledger import entity, keys
from offer_cancellation.ledger.table import Ledger
from offer_cancellation.status import Status
from ops.command import amount, run
from ops.storage import open_table

LEAST_DAYS = 7  # as long as an ordinary message lives on a queue
_AT_ONCE = 32
_OLD = (
    "PartitionKey eq @bucket and RowKey ge @first and RowKey lt @end"
    " and FinishedAt lt @day and Deadline lt @day and ("
    + " or ".join(f"Status eq '{status.value}'" for status in Status if status.is_final)
    + ")"
)


async def remove(
    table: TableClient, now: datetime, days: float, *, delete: bool = False
) -> AsyncIterator[str]:
    """Removes or counts them, and says which it leaves alone and why. Raises AzureError."""
    ledger, days = Ledger(table), max(days, LEAST_DAYS)
    day, count = after(now, -days * 86400), Counter[str]()
    for bucket in keys.BUCKETS:
        # Read first: what is given a due row later on is changed by that, and not removed.
        owed = {row.digest for row in await ledger.pending_rows(bucket)}
        rows = table.query_entities(
            _OLD,
            parameters={
                "bucket": bucket, "first": keys.RECORD, "end": f"{keys.RECORD}~", "day": day
            },
        )  # fmt: skip
        old = [row async for row in rows if keys.due_digest(row["RowKey"]) not in owed]
        for first in range(0, len(old), _AT_ONCE):
            some = old[first : first + _AT_ONCE]
            for line in await asyncio.gather(*(_remove(table, row, delete) for row in some)):
                count[line] += 1
                if line:
                    yield line
    done = "removed" if delete else "would go; add --delete"
    yield f"{count['']} {done} (finished and past their deadline for {days:g} days)"


async def _remove(table: TableClient, row: TableEntity, delete: bool) -> str:
    """Removes one if that is wanted; why it is left alone, if it is."""
    etag = str(row.metadata["etag"])
    try:
        entity.from_row(row, etag)
        if delete:
            await table.delete_entity(row, etag=etag, match_condition=MatchConditions.IfNotModified)
    except UnreadableRecordError as fault:
        return f"left alone: {fault}"
    except ResourceModifiedError:
        return f"left alone: {row['RequestId']} has just changed"
    return ""


async def _lines(arguments: argparse.Namespace) -> AsyncIterator[str]:
    async with open_table() as table:
        async for line in remove(table, utc_now(), arguments.days, delete=arguments.delete):
            yield line


def main() -> int:
    """Removes; 1 when storage could not be reached."""
    parser = argparse.ArgumentParser(prog="python -m ops.remove", description=__doc__)
    parser.add_argument("days", type=amount, help=f"at least {LEAST_DAYS}: less is taken for that")
    parser.add_argument("--delete", action="store_true", help="remove them, do not only count")
    return run(_lines(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
