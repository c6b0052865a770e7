"""Runs finished requests again under their own ids: `python -m ops.rerun HOURS REQUEST_ID …`."""

import argparse
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime

from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables.aio import TableClient

from offer_cancellation.clock import after, utc_now
from offer_cancellation.errors import LostUpdateError, UnreadableRecordError
from offer_cancellation.ledger import keys
from offer_cancellation.ledger.record import Record
from offer_cancellation.ledger.table import Ledger
from offer_cancellation.status import Status
from ops.command import amount, run
from ops.storage import open_table


async def rerun(
    table: TableClient, now: datetime, hours: float, request_ids: Sequence[str]
) -> AsyncIterator[str]:
    """Makes each of them due now, if it is finished; says so. Raises AzureError."""
    ledger = Ledger(table)
    for request_id in request_ids:
        yield await _rerun(ledger, now, hours, request_id)


async def _rerun(ledger: Ledger, now: datetime, hours: float, request_id: str) -> str:
    try:
        old = await ledger.find(request_id)
        if old is None:
            return f"{request_id} is left alone: it has no record"
        if not old.status.is_final:
            return f"{request_id} is left alone: it is {old.status}"
        if await _is_owed(ledger, request_id):
            return f"{request_id} is left alone: its outcome is not out yet"
        new = again(old, now, hours)
        # The due row that the record still names is gone.
        await ledger.save(replace(old, due_at=None), new)
    except UnreadableRecordError as fault:
        return f"{request_id} is left alone: {fault}"
    except (LostUpdateError, ResourceNotFoundError):
        return f"{request_id} is left alone: somebody has just changed it"
    return f"{request_id} runs again, run {new.run}"


def again(old: Record, now: datetime, hours: float) -> Record:
    """The next run of a finished request: due now, with nothing in it of how the last one ended."""
    return replace(
        old,
        status=Status.DEFERRED,
        run=old.run + 1,
        deadline=after(now, hours * 3600),
        next_try_at=now,
        due_at=now,
        deferrals=0,
        polls=0,
        refused_since=None,
        lease_until=None,
        accepted_at=None,
        finished_at=None,
        error_code=None,
        error_message=None,
        http_status=None,
        operation_status=None,
        location=None,
    )


async def _is_owed(ledger: Ledger, request_id: str) -> bool:
    """Whether a tick has still to send its outcome: then it has a due row."""
    pending = await ledger.pending_rows(keys.bucket(request_id))
    return keys.digest(request_id) in {row.digest for row in pending}


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
