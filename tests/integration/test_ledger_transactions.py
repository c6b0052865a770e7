"""Writes that belong together: sent together, within limits, each on its own merit."""

import asyncio
from itertools import count

import pytest

from offer_cancellation import transitions
from offer_cancellation.errors import LostUpdateError
from offer_cancellation.ledger.keys import RecordKey
from offer_cancellation.ledger.record import Record
from offer_cancellation.ledger.table import Inserted
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
