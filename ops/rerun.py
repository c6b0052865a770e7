"""Runs finished requests again under their own ids: `python -m ops.rerun HOURS REQUEST_ID …`."""

import argparse
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from azure.data.tables.aio import TableClient

from offer_cancellation import transitions
from offer_cancellation.clock import after, utc_now
from offer_cancellation.errors import LostUpdateError, UnreadableRecordError
from offer_cancellation.ledger.keys import RecordKey
from offer_cancellation.ledger.table import Ledger
from ops.command import amount, run
from ops.storage import open_table


async def rerun(
    table: TableClient, now: datetime, hours: float, request_ids: Sequence[str]
) -> AsyncIterator[str]:
    """Makes each of them due now, if it is finished; says so. Raises StorageError."""
    ledger, deadline = Ledger(table), after(now, hours * 3600)
    for request_id in request_ids:
        yield await _rerun(ledger, now, deadline, request_id)


async def _rerun(ledger: Ledger, now: datetime, deadline: datetime, request_id: str) -> str:
    try:
        old = await ledger.find(RecordKey.of(request_id))
        if old is None:
            return f"{request_id} is left alone: it has no record"
        if not old.status.is_final:
            return f"{request_id} is left alone: it is {old.status}"
        if await ledger.has_due_row(old):
            return f"{request_id} is left alone: its outcome is not out yet"

        new = await ledger.start_run(old, transitions.rerun(old, now, deadline))
    except UnreadableRecordError as error:
        return f"{request_id} is left alone: {error}"
    except LostUpdateError:
        return f"{request_id} is left alone: another writer has just changed it"

    return f"{request_id} runs again, run {new.run}"


async def _lines(arguments: argparse.Namespace) -> AsyncIterator[str]:
    async with open_table() as table:
        async for line in rerun(table, utc_now(), arguments.hours, arguments.request_ids):
            yield line


def main() -> int:
    """Runs them again; 1 when storage could not be reached."""
    parser = argparse.ArgumentParser(prog="python -m ops.rerun", description=__doc__)
    parser.add_argument("hours", type=amount, help="from now to the new deadline")
    parser.add_argument("request_ids", nargs="+", metavar="request_id")

    return run(_lines(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
