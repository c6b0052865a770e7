"""Saving a step: conditional on the ETag, the due row moved in the same transaction."""

from dataclasses import replace

import pytest
from azure.core.exceptions import AzureError, ResourceNotFoundError

from offer_cancellation.errors import LostUpdateError
from offer_cancellation.ledger import record as steps
from offer_cancellation.ledger.record import Record
from offer_cancellation.ledger.table import due_row
from offer_cancellation.status import Ending, Status
from tests.integration.faulty_proxy import Loss, Proxied
from tests.integration.harness import Harness, MakeHarness


async def claimed(harness: Harness, request_id: str = "r-1") -> Record:
    """A record that was claimed just now."""
    record, _ = await harness.clients.ledger.claim(harness.new_record(request_id))
    return record


def later(record: Record, harness: Harness, seconds: float) -> Record:
    """The same, deferred."""
    return steps.deferred(record, harness.clock.at(seconds), 503)


def over(record: Record, harness: Harness) -> Record:
    """The same, canceled, without a due row."""
    final = steps.finished(record, harness.clock(), Ending(Status.CANCELED))
    return replace(final, due_at=None)


async def test_a_step_moves_the_due_row(harness: Harness) -> None:
    """New due row in, old one out, the record replaced: all or nothing."""
    before = await claimed(harness)

    after = await harness.clients.ledger.save(before, later(before, harness, 60))

    assert after.etag == await harness.etag()
    assert await harness.due_at(60)
    assert (await harness.record())["Status"] == "deferred"


async def test_the_last_step_removes_the_due_row(harness: Harness) -> None:
    """A final record that is at rest has none."""
    before = await claimed(harness)

    await harness.clients.ledger.save(before, over(before, harness))

    assert await harness.due_rows() == []


async def test_of_two_writers_one_loses(harness: Harness, make_harness: MakeHarness) -> None:
    """Both read the same record: the second is told, and nothing of its step is written."""
    before = await claimed(harness)
    other = make_harness(like=harness)
    await harness.clients.ledger.save(before, later(before, harness, 60))

    with pytest.raises(LostUpdateError):
        await other.clients.ledger.save(before, later(before, harness, 90))

    assert await harness.due_at(60)


@pytest.mark.parametrize("loss", list(Loss))
async def test_a_save_survives_a_lost_transaction(proxied: Proxied, loss: Loss) -> None:
    """A lost reply: the repeat is refused, and the own token says that it had worked."""
    harness = proxied.harness
    before = await claimed(harness)
    proxied.table.lose("$batch", loss)

    after = await harness.clients.ledger.save(before, later(before, harness, 60))
    await harness.clients.ledger.save(after, over(after, harness))

    assert (await harness.record())["Status"] == "canceled"
    assert await harness.due_rows() == []


async def test_a_lost_reply_does_not_hide_another_writer(
    proxied: Proxied, make_harness: MakeHarness
) -> None:
    """The request was lost, and another process was faster: the step is lost."""
    harness = proxied.harness
    before = await claimed(harness)
    other = make_harness(like=harness)
    await other.clients.ledger.save(before, later(before, harness, 60))
    proxied.table.lose("$batch", Loss.REQUEST)

    with pytest.raises(LostUpdateError):
        await harness.clients.ledger.save(before, later(before, harness, 90))

    assert await harness.due_at(60)


@pytest.mark.parametrize("loss", [None, *Loss])
async def test_a_due_row_that_is_gone_does_not_stop_a_step(
    proxied: Proxied, loss: Loss | None
) -> None:
    """Removed by hand: the step is taken all the same, and survives a lost reply, too."""
    harness = proxied.harness
    before = await claimed(harness)
    row = due_row(before)
    assert row is not None
    await harness.clients.ledger.remove_due_row(row)
    after = later(before, harness, 60)
    if loss:
        # The first transaction is refused; what is lost is the second, or its reply.
        proxied.table.lose("GET ", Loss.REQUEST)
        proxied.table.lose_after("$batch", 1, loss)

    saved = await harness.clients.ledger.save(before, after)

    assert saved.etag == await harness.etag()
    assert await harness.due_at(60)


async def test_a_record_that_is_gone_fails_the_invocation(harness: Harness) -> None:
    """Removed by hand: nothing is written, and the message is to come again."""
    before = await claimed(harness)
    await harness.remove_record()

    with pytest.raises(ResourceNotFoundError, match="removed meanwhile"):
        await harness.clients.ledger.save(before, later(before, harness, 60))

    assert not await harness.has_record()


async def test_a_save_fails_with_its_storage(proxied: Proxied) -> None:
    """Three tries, then an AzureError; the record is what it was."""
    harness = proxied.harness
    before = await claimed(harness)
    proxied.table.down = True

    with pytest.raises(AzureError):
        await harness.clients.ledger.save(before, later(before, harness, 60))

    proxied.table.down = False
    assert await harness.etag() == before.etag
    await harness.check_rule_1()


async def test_removing_a_due_row_that_is_gone_is_fine(harness: Harness) -> None:
    """Two processes may both have sent the event that it stood for."""
    row = due_row(await claimed(harness))
    assert row is not None

    await harness.clients.ledger.remove_due_row(row)
    await harness.clients.ledger.remove_due_row(row)

    assert await harness.due_rows() == []


async def test_repairing_removes_a_stray_due_row(harness: Harness) -> None:
    """The record's own row stays, or is put back."""
    record = await claimed(harness)
    stray = due_row(replace(record, due_at=harness.clock.at(-60)))
    assert stray is not None
    await harness.add_due_row(-60)
    assert len(await harness.due_rows()) == 2

    await harness.clients.ledger.repair(record, stray)

    own = due_row(record)
    assert own is not None
    assert await harness.due_rows() == [own.row_key]


async def test_repairing_what_moved_meanwhile_changes_nothing(harness: Harness) -> None:
    """The stray row was another writer's, on its way."""
    record = await claimed(harness)
    moved = await harness.clients.ledger.save(record, later(record, harness, 60))
    stray = due_row(replace(record, due_at=harness.clock.at(-60)))
    assert stray is not None

    await harness.clients.ledger.repair(moved, stray)
    await harness.clients.ledger.repair(record, stray)

    assert await harness.etag() == moved.etag
    assert await harness.due_at(60)
