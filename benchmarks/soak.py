"""Size and endurance, in numbers: `python -m benchmarks.soak`.

Two runs, each on a fresh emulator. A table with 50,000 pending requests: what a tick costs when
nothing is due, and when 1,000 are. 5,000 requests through the app in its own process: whether its
memory grows. Exit code 1 only when it does; how fast it is, the machine decides.
"""

import argparse
import asyncio
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psutil
from azure.core.exceptions import ServiceRequestError
from azure.data.tables.aio import TableClient
from rich.console import Console
from rich.table import Table

from local.azurite import Azurite
from local.identity import Identity
from local.portal.portal import Portal
from local.portal.script import Answer, Script
from local.stack import Stack
from offer_cancellation.clock import after, utc_now
from offer_cancellation.ledger import entity, keys
from offer_cancellation.ledger.keys import RecordKey
from offer_cancellation.ledger.record import Record
from offer_cancellation.services import Services, make_services
from offer_cancellation.settings import load
from offer_cancellation.status import Status

PENDING, DUE, REQUESTS = 50_000, 1_000, 5_000
_ROWS_A_TRANSACTION = 100
_WRITE_TRIES = 5
_GROWTH_LIMIT_MIB = 16  # of 4,000 requests after the first 1,000: a leak of 4 KiB each shows
_MIB = 1024 * 1024
_TELL_SECONDS = 15
_RUNNING = Answer(200, {"status": "running"})


class StorageRequests(logging.Handler):
    """Counts what the Azure clients send, from their own log."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        """One more request; its answer is logged, too, and not counted."""
        self.count += str(record.msg).startswith("Request URL")


@contextmanager
def _counted() -> Iterator[StorageRequests]:
    logger = logging.getLogger("azure.core.pipeline.policies.http_logging_policy")
    handler, level, propagate = StorageRequests(), logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


def _record(number: int, *, is_due: bool) -> Record:
    now = utc_now()
    due_at = after(now, -60 if is_due else 3600 + number % 3600)
    return Record(
        request_id=f"soak-{number}",
        publisher_id="contoso",
        offer_id="soak",
        status=Status.ACCEPTED,
        requested_at=now,
        deadline=now + timedelta(days=1),
        location=f"/api/publishers/contoso/offers/soak/operations/{number}?api-version=2017-10-31",
        http_status=202,
        attempts=1,
        accepted_at=now,
        next_try_at=due_at,
        due_at=due_at,
    )


async def _tell(console: Console, progress: Callable[[], str]) -> None:
    """Say how far it is, a few times a minute."""
    while True:
        await asyncio.sleep(_TELL_SECONDS)
        console.print(f"… {progress()}")


async def _write(table: TableClient, rows: list[entity.Row]) -> None:
    """The emulator closes what was idle for 5 s, and a transaction is not repeated by itself."""
    for tries_left in reversed(range(_WRITE_TRIES)):
        try:
            await table.submit_transaction([("upsert", row) for row in rows])
        except ServiceRequestError:
            if not tries_left:
                raise
        else:
            return


async def _fill(table: TableClient, pending: int, due: int) -> None:
    """Puts the records and their due rows into the table, as many at a time as it takes."""
    await table.create_table()
    rows: dict[str, list[entity.Row]] = {bucket: [] for bucket in keys.BUCKETS}
    for number in range(pending):
        record = _record(number, is_due=number < due)
        rows[RecordKey.of(record.request_id).bucket] += [
            entity.to_row(record, "soak"),
            entity.to_due_row(record),
        ]

    async def put(bucket: list[entity.Row]) -> None:
        for start in range(0, len(bucket), _ROWS_A_TRANSACTION):
            batch = bucket[start : start + _ROWS_A_TRANSACTION]
            await _write(table, batch)

    await asyncio.gather(*(put(bucket) for bucket in rows.values()))


async def _tick_row(name: str, clients: Services) -> tuple[str, ...]:
    from poll_timer.tick import tick  # noqa: PLC0415 - reads the settings, set only now

    process = psutil.Process()
    with _counted() as requests:
        started, cpu = time.perf_counter(), time.process_time()
        came_to = await tick(clients)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    memory = process.memory_info().rss / _MIB
    return (
        name,
        json.dumps(dict(came_to)),
        f"{seconds:.2f}",
        f"{cpu:.2f}",
        str(requests.count),
        f"{memory:.0f}",
    )


async def _ticks(console: Console, pending: int, due: int) -> Table:
    table = Table("tick", "came to", "seconds", "CPU s", "storage requests", "memory MiB")
    async with Azurite() as azurite, Identity() as identity, Portal(identity) as portal:
        os.environ.update(identity.environment)
        portal.default = Script(operation=[_RUNNING])
        settings = load(
            {"CANCEL_STORAGE": azurite.connection_string, "PARTNER_API_URL": portal.url}
        )
        clients = make_services(settings)
        try:
            async with TableClient.from_connection_string(
                azurite.connection_string, settings.ledger_table
            ) as rows:
                console.print(f"Filling the table with {pending:,} requests …")
                await _fill(rows, pending, due)

            console.print("Ticking …")
            table.add_row(*await _tick_row(f"{due:,} due of {pending:,}", clients))
            table.add_row(*await _tick_row(f"none due of {pending:,}", clients))
        finally:
            await clients.close()
    return table


async def _through(console: Console, requests: int) -> tuple[Table, float]:
    """So many requests through the app; how much its memory grew after the first fifth."""
    table, memory = Table("requests done", "seconds", "memory MiB"), list[float]()
    # On disk: in memory the emulator stands still for minutes while it cleans up so many messages.
    directory = tempfile.TemporaryDirectory(prefix="offer-cancellation-soak-")
    with directory as location:
        stack = Stack({"POLL_SCHEDULE": "* * * * * *"}, location=Path(location))
        await _send_through(stack, console, requests, table, memory)

    return table, memory[-1] - memory[0]


async def _send_through(
    stack: Stack, console: Console, requests: int, table: Table, memory: list[float]
) -> None:
    """Add a row and the memory for each fifth."""
    async with stack:
        stack.portal.default = Script(cancel=[Answer(200)])
        # The app runs in the host's worker, its only child.
        (process,) = psutil.Process(stack.host.pid).children()
        started = time.perf_counter()
        step = requests // 5
        done = stack.portal.seen
        telling = asyncio.create_task(_tell(console, lambda: f"{len(done):,} of {requests:,}"))
        for first in range(0, requests, step):
            end = first + step
            await asyncio.gather(*(_sender(stack, n, end) for n in range(first, first + 8)))
            while len(done) < end:  # noqa: ASYNC110 - the portal sets no event
                await asyncio.sleep(0.2)
            memory.append(process.memory_info().rss / _MIB)
            seconds = time.perf_counter() - started
            table.add_row(f"{end:,}", f"{seconds:.1f}", f"{memory[-1]:.1f}")

        telling.cancel()


async def _sender(stack: Stack, first: int, end: int) -> None:
    for number in range(first, end, 8):
        request = {"publisherId": "contoso", "offerId": "soak", "requestId": f"soak-{number}"}
        await stack.requests.send_message(json.dumps(request))


async def _soak(console: Console, pending: int, requests: int) -> bool:
    console.print(await _ticks(console, pending, min(DUE, pending // 2)))
    table, growth = await _through(console, requests)
    console.print(table)
    console.print(f"growth after the first fifth: {growth:.1f} MiB, limit {_GROWTH_LIMIT_MIB}")
    return growth <= _GROWTH_LIMIT_MIB


def main() -> int:
    """Runs both and prints the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--pending", type=int, default=PENDING)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    arguments = parser.parse_args()
    is_steady = asyncio.run(_soak(Console(width=110), arguments.pending, arguments.requests))
    return 0 if is_steady else 1


if __name__ == "__main__":
    sys.exit(main())
