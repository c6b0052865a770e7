"""Saving a step: conditional on the ETag, the due row moved in the same transaction."""

import asyncio
from dataclasses import replace

import pytest

from offer_cancellation import transitions
from offer_cancellation.errors import LostUpdateError, StorageError
from offer_cancellation.ledger.keys import DueRow, RecordKey
from offer_cancellation.ledger.record import Record
from offer_cancellation.ledger.table import due_row
from offer_cancellation.status import Ending, Status
from tests.integration.faulty_proxy import Loss, Proxied
from tests.integration.harness import LEASE, Harness, MakeHarness


async def claimed(harness: Harness, request_id: str = "r-1") -> Record:
    """A record that was claimed just now."""
    return (await harness.services.ledger.insert(harness.new_record(request_id))).record


def later(record: Record, harness: Harness, seconds: float) -> Record:
    """The same, deferred."""
    return transitions.deferred(record, harness.clock.at(seconds), http_status=503)


def over(record: Record, harness: Harness) -> Record:
    """The same, canceled."""
    return transitions.finished(record, harness.clock(), Ending(Status.CANCELED))


def own_row(record: Record) -> DueRow:
    """The due row that a record names."""
    row = due_row(record)
    assert row is not None
    return row


async def remove_now(harness: Harness, row: DueRow) -> None:
    """Removes a due row, and waits for that."""
    harness.services.ledger.remove_soon(row)
    await harness.services.ledger.flush()


async def test_a_step_moves_the_due_row(harness: Harness) -> None:
    """New due row in, old one out, the record replaced: all or nothing."""
    before = await claimed(harness)

    after = await harness.services.ledger.save(before, later(before, harness, 60))

    assert after.etag == await harness.etag()
    assert await harness.due_at(60)
    assert "deferred" == (await harness.record())["Status"]


async def test_the_last_step_leaves_the_due_row(harness: Harness) -> None:
    """It is the outbox: the record owes its event until the row is removed."""
    before = await claimed(harness)

    await harness.services.ledger.save(before, over(before, harness))

    assert [own_row(before).row_key] == await harness.due_rows()


async def test_removals_travel_with_other_writes(proxied: Proxied) -> None:
    """Nothing waits for a removal; the next transaction of its partition takes it along."""
    harness = proxied.harness
    before = await claimed(harness)
    after = await harness.services.ledger.save(before, over(before, harness))
    harness.services.ledger.remove_soon(own_row(after))
    same_bucket = RecordKey.of(before.request_id).bucket
    neighbour = next(n for n in map(str, range(999)) if RecordKey.of(n).bucket == same_bucket)
    proxied.table.requests.clear()

    await claimed(harness, neighbour)

    assert 1 == len(proxied.table.requests)
    assert [] == await harness.due_rows()
    assert await harness.due_at(LEASE, neighbour)


async def test_a_removal_goes_by_itself_within_a_second(harness: Harness) -> None:
    """Where nothing else is written, the row is removed all the same."""
    row = own_row(await claimed(harness))

    harness.services.ledger.remove_soon(row)

    async with asyncio.timeout(10):
        while await harness.due_rows():  # noqa: ASYNC110 - storage sets no event
            await asyncio.sleep(0.05)


async def test_many_removals_go_together(proxied: Proxied) -> None:
    """Twenty rows of one partition, one of them gone before: no row stays."""
    harness = proxied.harness
    names = [n for n in map(str, range(2000)) if RecordKey.of(n).bucket == "7"][:20]
    records = [await claimed(harness, name) for name in names]
    await remove_now(harness, own_row(records[3]))

    for record in records:
        harness.services.ledger.remove_soon(own_row(record))
    await harness.services.ledger.flush()

    assert [] == [row for name in names for row in await harness.due_rows(name)]


async def test_of_two_writers_one_loses(harness: Harness, make_harness: MakeHarness) -> None:
    """Both read the same record: the second is told, and nothing of its step is written."""
    before = await claimed(harness)
    other = make_harness(like=harness)
    await harness.services.ledger.save(before, later(before, harness, 60))

    with pytest.raises(LostUpdateError):
        await other.services.ledger.save(before, later(before, harness, 90))

    assert await harness.due_at(60)


@pytest.mark.parametrize("loss", list(Loss))
async def test_a_save_survives_a_lost_transaction(proxied: Proxied, loss: Loss) -> None:
    """A lost reply: the repeat is refused, and the own token says that it had worked."""
    harness = proxied.harness
    before = await claimed(harness)
    proxied.table.lose("$batch", loss)

    after = await harness.services.ledger.save(before, later(before, harness, 60))
    await harness.services.ledger.save(after, over(after, harness))

    assert "canceled" == (await harness.record())["Status"]
    assert await harness.due_at(60)


async def test_a_lost_reply_does_not_hide_another_writer(
    proxied: Proxied, make_harness: MakeHarness
) -> None:
    """The request was lost, and another process was faster: the step is lost."""
    harness = proxied.harness
    before = await claimed(harness)
    other = make_harness(like=harness)
    await other.services.ledger.save(before, later(before, harness, 60))
    proxied.table.lose("$batch", Loss.REQUEST)

    with pytest.raises(LostUpdateError):
        await harness.services.ledger.save(before, later(before, harness, 90))

    assert await harness.due_at(60)


@pytest.mark.parametrize("loss", [None, *Loss])
async def test_a_due_row_that_is_gone_does_not_stop_a_step(
    proxied: Proxied, loss: Loss | None
) -> None:
    """Removed by hand: the step is taken all the same, and survives a lost reply, too."""
    harness = proxied.harness
    before = await claimed(harness)
    await remove_now(harness, own_row(before))
    after = later(before, harness, 60)
    if loss:
        # The first transaction is refused; what is lost is the second, or its reply.
        proxied.table.lose("GET ", Loss.REQUEST)
        proxied.table.lose_after("$batch", 1, loss)

    saved = await harness.services.ledger.save(before, after)

    assert saved.etag == await harness.etag()
    assert await harness.due_at(60)


async def test_a_record_that_is_gone_is_a_lost_update(harness: Harness) -> None:
    """Removed by hand: nothing is written."""
    before = await claimed(harness)
    await harness.remove_record()

    with pytest.raises(LostUpdateError, match="removed meanwhile"):
        await harness.services.ledger.save(before, later(before, harness, 60))

    assert not await harness.has_record()


async def test_a_save_fails_with_its_storage(proxied: Proxied) -> None:
    """Three tries, then a StorageError; the record is what it was."""
    harness = proxied.harness
    before = await claimed(harness)
    proxied.table.down = True

    with pytest.raises(StorageError):
        await harness.services.ledger.save(before, later(before, harness, 60))

    proxied.table.down = False
    assert await harness.etag() == before.etag
    await harness.check_rule_1()


async def test_removing_a_due_row_that_is_gone_is_fine(harness: Harness) -> None:
    """Two processes may both have sent the event that it stood for."""
    row = own_row(await claimed(harness))

    await remove_now(harness, row)
    await remove_now(harness, row)

    assert [] == await harness.due_rows()


async def test_a_stray_due_row_goes(harness: Harness) -> None:
    """Where the record has its own, the stray one is removed, and the record is not touched."""
    record = await claimed(harness)
    await harness.add_due_row(-60)
    stray = own_row(replace(record, due_at=harness.clock.at(-60)))

    restored = await harness.services.ledger.restore_due_row(record, stray)
    await harness.services.ledger.flush()

    assert not restored
    assert [own_row(record).row_key] == await harness.due_rows()
    assert record.etag == await harness.etag()


async def test_a_lost_due_row_is_restored(harness: Harness) -> None:
    """In place of a stray one, too, in one transaction with the record."""
    record = await claimed(harness)
    await remove_now(harness, own_row(record))
    await harness.add_due_row(-60)
    stray = own_row(replace(record, due_at=harness.clock.at(-60)))

    restored = await harness.services.ledger.restore_due_row(record, stray)
    await harness.services.ledger.flush()

    assert restored
    assert [own_row(record).row_key] == await harness.due_rows()


async def test_a_record_that_moved_on_gets_no_second_due_row(harness: Harness) -> None:
    """A tick that read it before another writer moved it changes nothing."""
    record = await claimed(harness)
    await harness.services.ledger.save(record, later(record, harness, 60))

    with pytest.raises(LostUpdateError):
        await harness.services.ledger.restore_due_row(record)

    assert await harness.due_at(60)
