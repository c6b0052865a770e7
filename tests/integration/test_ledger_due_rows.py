"""Reading what is due: by key range, in order, page after page."""

from datetime import timedelta

from offer_cancellation.ledger.keys import DueRow, RecordKey
from tests.integration.faulty_proxy import Proxied
from tests.integration.harness import Harness

BUCKET = "3"


async def write_due_rows(harness: Harness, seconds: list[float]) -> list[str]:
    """Due rows in one bucket, so many seconds after the start; their keys in order."""
    await harness.create_table()
    rows = [
        {
            "PartitionKey": BUCKET,
            "RowKey": DueRow.at(harness.clock.at(moment), f"{index}").row_key,
        }
        for index, moment in enumerate(seconds)
    ]
    for first in range(0, len(rows), 100):
        chunk = rows[first : first + 100]
        await harness.table.submit_transaction([("create", row) for row in chunk])
    return sorted(row["RowKey"] for row in rows)


async def due(harness: Harness) -> list[str]:
    """The keys that the ledger says are due, in its order."""
    now = harness.clock()
    return [row.row_key async for row in harness.services.ledger.due_rows(BUCKET, now)]


async def test_what_is_due_is_read_and_no_more(harness: Harness) -> None:
    """Up to this millisecond, and not the next."""
    rows = await write_due_rows(harness, [-86400, -1, -0.001, 0, 0.001, 1, 86400])

    assert await due(harness) == rows[:4]


async def test_the_longest_due_comes_first(harness: Harness) -> None:
    """Rows come in the order of their time, whatever their request."""
    rows = await write_due_rows(harness, [-5, -50, -500, -1, -10])

    found = await due(harness)

    assert found == rows
    stamps = [key[len("due-") :][:19] for key in found]
    assert stamps == sorted(stamps)


async def test_more_than_a_page_is_read(proxied: Proxied) -> None:
    """A page holds 1,000 rows: all 1,150 are read, each once, in order."""
    harness = proxied.harness
    rows = await write_due_rows(harness, [-index - 1 for index in range(1150)])
    proxied.table.requests.clear()

    found = await due(harness)

    assert found == rows
    assert 2 == len(proxied.table.requests)


async def test_pending_rows_cost_nothing(proxied: Proxied) -> None:
    """Cost follows what is due: 1,200 rows of tomorrow do not make a second page."""
    harness = proxied.harness
    rows = await write_due_rows(harness, [-1.0, *(86400 + float(n) for n in range(1200))])
    proxied.table.requests.clear()

    found = await due(harness)

    assert found == rows[:1]
    assert 1 == len(proxied.table.requests)


async def test_without_a_table_nothing_is_due(harness: Harness) -> None:
    """Before the first request there is no table, and a tick has no work."""
    assert [] == await due(harness)
    assert {} == await harness.tick()


async def test_records_are_not_due_rows(harness: Harness) -> None:
    """A bucket holds both; a record's key is in no range of times."""
    await harness.services.ledger.insert(harness.new_record())
    record = await harness.record()

    later = harness.clock() + timedelta(days=36500)
    found = [row async for row in harness.services.ledger.due_rows(record["PartitionKey"], later)]

    assert [row.row_key for row in found] == await harness.due_rows()
    assert found[0].record_key.digest == RecordKey.of("r-1").digest
