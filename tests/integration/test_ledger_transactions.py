"""Writes that belong together: sent together, within limits, each on its own merit."""

import asyncio
import gc
from dataclasses import replace
from itertools import count

import pytest
from azure.core.credentials import AzureNamedKeyCredential
from azure.data.tables.aio import TableClient

from offer_cancellation import transitions
from offer_cancellation.errors import LostUpdateError, StorageError
from offer_cancellation.ledger.keys import DueRow, RecordKey
from offer_cancellation.ledger.record import Record
from offer_cancellation.ledger.table import Inserted, Ledger, due_row
from tests.integration.faulty_proxy import FaultyProxy, Loss, Proxied
from tests.integration.harness import Harness

BUCKET = "7"


def ids(how_many: int) -> list[str]:
    """Request ids that fall into one bucket, and so into the same transactions."""
    found = (name for name in map(str, count()) if RecordKey.of(name).bucket == BUCKET)
    return [next(found) for _ in range(how_many)]


def sizes(proxy: FaultyProxy) -> list[int]:
    """How many operations each transaction had."""
    return [body.count(b"application/http\r\n") for body in proxy.bodies if b"changeset" in body]


async def claim(harness: Harness, request_ids: list[str]) -> list[Record]:
    """The records, claimed at once."""
    claims = await asyncio.gather(
        *(harness.services.ledger.insert(harness.new_record(name)) for name in request_ids)
    )
    assert all(claim.is_new for claim in claims)
    return [claim.record for claim in claims]


async def test_what_arrives_together_goes_together(proxied: Proxied) -> None:
    """150 claims of two operations each: three transactions, each as full as it may be."""
    await claim(proxied.harness, ["creates the table"])
    proxied.table.bodies.clear()

    records = await claim(proxied.harness, ids(150))

    assert [100, 100, 100] == sizes(proxied.table)
    assert len({record.etag for record in records}) > 1
    for record in records:
        await proxied.harness.check_rule_1(record.request_id)


async def test_a_request_is_never_split(proxied: Proxied) -> None:
    """Steps of three operations: 33 fill a transaction, though one more operation would fit."""
    harness = proxied.harness
    records = await claim(harness, ids(70))
    proxied.table.bodies.clear()

    await asyncio.gather(
        *(
            harness.services.ledger.save(record, transitions.deferred(record, harness.clock.at(60)))
            for record in records
        )
    )

    assert [99, 99, 12] == sizes(proxied.table)
    for record in records:
        assert await harness.due_at(60, record.request_id)


async def test_a_transaction_never_holds_101(proxied: Proxied) -> None:
    """33 steps of three operations and a claim of two: one more than the service takes."""
    harness = proxied.harness
    *names, last = ids(34)
    records = await claim(harness, names)
    proxied.table.bodies.clear()

    await asyncio.gather(
        *(
            harness.services.ledger.save(record, transitions.deferred(record, harness.clock.at(60)))
            for record in records
        ),
        harness.services.ledger.insert(harness.new_record(last)),
    )

    assert [99, 2] == sizes(proxied.table)


async def test_a_transaction_never_holds_a_mib(proxied: Proxied) -> None:
    """Long records in one batch are split by size, too, escapes included; each is written."""
    harness = proxied.harness
    await claim(harness, ["creates the table"])
    proxied.table.bodies.clear()
    names = ids(40)
    long = "\u20ac" * 30_000  # 60 kB in the table, 180 kB on the wire

    claims = await asyncio.gather(
        *(
            harness.services.ledger.insert(replace(harness.new_record(name), location=long))
            for name in names
        )
    )

    assert all(claim.is_new for claim in claims)
    assert max(len(body) for body in proxied.table.bodies) < 1024 * 1024
    assert max(sizes(proxied.table)) > 2  # a claim has two operations


async def test_each_gets_its_own_etag(harness: Harness) -> None:
    """Of a shared transaction everyone gets the ETag of the own record, good for the next step."""
    records = await claim(harness, ids(20))

    assert [record.etag for record in records] == [
        await harness.etag(record.request_id) for record in records
    ]


async def test_a_refused_one_takes_no_other_down(harness: Harness) -> None:
    """One step is stale: the rest of the batch goes through."""
    records = await claim(harness, ids(10))
    stale = records[3]
    await harness.services.ledger.save(stale, transitions.deferred(stale, harness.clock.at(10)))

    results = await asyncio.gather(
        *(
            harness.services.ledger.save(record, transitions.deferred(record, harness.clock.at(60)))
            for record in records
        ),
        return_exceptions=True,
    )

    lost = [isinstance(result, LostUpdateError) for result in results]
    assert lost == [index == 3 for index in range(10)]
    for index, record in enumerate(records):
        assert await harness.due_at(10 if index == 3 else 60, record.request_id)


async def test_one_row_twice_in_a_batch_is_no_fault(harness: Harness) -> None:
    """The service refuses a transaction that names a row twice: each then goes on its own."""
    (name,) = ids(1)
    record = harness.new_record(name)

    claims = await asyncio.gather(
        *(harness.services.ledger.insert(record) for _ in range(5)),
        harness.services.ledger.insert(harness.new_record(ids(2)[1])),
    )

    assert [False] * 4 + [True] * 2 == sorted(claim.is_new for claim in claims)
    await harness.check_rule_1(name)


async def test_an_outage_is_told_to_everyone_who_waits(proxied: Proxied) -> None:
    """All of a batch raise, and nobody waits for ever; afterwards it goes on."""
    harness = proxied.harness
    names = ids(10)
    await claim(harness, ["creates the table"])
    proxied.table.down = True

    async with asyncio.timeout(20):
        results = await asyncio.gather(
            *(harness.services.ledger.insert(harness.new_record(name)) for name in names),
            return_exceptions=True,
        )

    assert all(isinstance(result, Exception) for result in results)
    proxied.table.down = False
    await claim(harness, names)


@pytest.mark.parametrize("loss", list(Loss))
async def test_a_lost_batch_is_everybody_s_own(proxied: Proxied, loss: Loss) -> None:
    """The reply to a whole batch is lost: each recognises its own write."""
    harness = proxied.harness
    await claim(harness, ["creates the table"])
    proxied.table.lose("$batch", loss, times=2)

    records = await claim(harness, ids(30))

    for record in records:
        assert record.etag == await harness.etag(record.request_id)


async def test_who_gives_up_waiting_holds_nobody_up(harness: Harness) -> None:
    """A cancelled caller's operations are sent or not; the others get their answers."""
    names = ids(6)
    tasks = [
        asyncio.create_task(harness.services.ledger.insert(harness.new_record(name)))
        for name in names
    ]
    await asyncio.sleep(0)
    tasks[2].cancel()

    done = await asyncio.gather(*tasks, return_exceptions=True)

    assert [isinstance(result, Inserted) for result in done] == [i != 2 for i in range(6)]


async def test_who_gave_up_before_is_not_written(proxied: Proxied) -> None:
    """A caller that was cancelled while another transaction was in flight has claimed nothing."""
    harness = proxied.harness
    first, second = ids(2)
    gone: list[asyncio.Task[Inserted]] = []

    async def give_up() -> None:
        insert = harness.services.ledger.insert(harness.new_record(second))
        gone.append(asyncio.create_task(insert))
        await asyncio.sleep(0)
        gone[0].cancel()

    await claim(harness, ["creates the table"])
    proxied.table.interrupt("$batch", give_up)
    await claim(harness, [first])
    await harness.services.ledger.flush()

    assert gone[0].cancelled()
    assert not await harness.has_record(second)


async def test_who_gives_up_flushing_takes_no_writer_along(proxied: Proxied) -> None:
    """A cancelled flush, of an invocation that ends, leaves the transactions of others alone."""
    harness, name = proxied.harness, ids(1)[0]
    await claim(harness, ["creates the table"])

    async def cancel_flush() -> None:
        flush = asyncio.create_task(harness.services.ledger.flush())
        await asyncio.sleep(0)
        flush.cancel()
        await asyncio.wait([flush])

    proxied.table.interrupt("$batch", cancel_flush)
    async with asyncio.timeout(10):
        await claim(harness, [name])

    await harness.check_rule_1(name)


@pytest.mark.parametrize("has_begun", [True, False])
async def test_a_sender_that_is_ended_leaves_nobody_waiting(
    proxied: Proxied, has_begun: bool
) -> None:
    """The end of the loop ends what is in flight: all who wait are told."""
    harness = proxied.harness
    release = asyncio.Event()
    await claim(harness, ["creates the table"])
    proxied.table.requests.clear()
    proxied.table.interrupt("$batch", release.wait)

    def insert(name: str) -> asyncio.Task[Inserted]:
        return asyncio.create_task(harness.services.ledger.insert(harness.new_record(name)))

    *first, last = ids(3)
    inserts = [insert(name) for name in first]
    await asyncio.sleep(0)
    if has_begun:
        await harness.until(lambda: proxied.table.requests != [])
        inserts.append(insert(last))
        await asyncio.sleep(0)
    for task in asyncio.all_tasks():
        if "_send_waiting" in repr(task.get_coro()):
            task.cancel()
    async with asyncio.timeout(10):
        results = await asyncio.gather(*inserts, return_exceptions=True)
    release.set()

    assert {StorageError} == {type(result) for result in results}


async def test_closing_removes_what_is_pending(harness: Harness) -> None:
    """A stop within the second that removals wait for removes the row all the same."""
    (record,) = await claim(harness, ids(1))
    row = due_row(record)
    assert row

    harness.services.ledger.remove_soon(row)
    await harness.services.ledger.close()

    assert [] == await harness.due_rows(record.request_id)


async def test_closing_while_storage_is_down_ends_soon(proxied: Proxied) -> None:
    """A row that cannot be removed at a stop stays, and a stop does not wait for it."""
    harness = proxied.harness
    (record,) = await claim(harness, ids(1))
    row = due_row(record)
    assert row
    proxied.table.down = True

    harness.services.ledger.remove_soon(row)
    async with asyncio.timeout(10):
        await harness.services.ledger.close()

    assert [row.row_key] == await harness.due_rows(record.request_id)


def test_a_loop_that_ends_with_removals_pending() -> None:
    """Nothing is sent, nothing waits and nothing warns after the loop is closed."""
    table = TableClient(
        "http://127.0.0.1:1/a", "ledger", credential=AzureNamedKeyCredential("a", "a2V5")
    )

    async def leave_a_removal() -> None:
        Ledger(table).remove_soon(DueRow("7", "due-x"))

    asyncio.run(leave_a_removal())
    gc.collect()
