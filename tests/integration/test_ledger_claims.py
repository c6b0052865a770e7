"""Claiming: one transaction inserts the record and its due row, and only one claim wins."""

import asyncio
from dataclasses import replace
from hashlib import sha256

import pytest

from offer_cancellation.errors import StorageError
from offer_cancellation.status import Status
from tests.integration.faulty_proxy import Loss, Proxied
from tests.integration.harness import LEASE, REQUEST_ID, Harness, MakeHarness


async def test_a_claim_writes_record_and_due_row_in_one_transaction(proxied: Proxied) -> None:
    """One request to the table; where there is no table yet, it is made."""
    harness = proxied.harness
    ledger = harness.services.ledger

    inserted = await ledger.insert(harness.new_record("first"))
    claimed, is_new = inserted.record, inserted.is_new
    proxied.table.requests.clear()
    await ledger.insert(harness.new_record("second"))

    assert is_new
    assert claimed == replace(harness.new_record("first"), etag=claimed.etag)
    assert claimed.etag
    assert 1 == len(proxied.table.requests)
    for request_id in ("first", "second"):
        await harness.check_rule_1(request_id)
        assert await harness.due_at(LEASE, request_id)


async def test_the_layout_is_the_contract_s(harness: Harness) -> None:
    """Bucket and keys from the SHA-256 of the request id; no character that a key cannot have."""
    record = harness.new_record("a/b\\c#d?é")
    await harness.services.ledger.insert(record)

    rows = await harness.rows()

    digest = sha256("a/b\\c#d?é".encode()).hexdigest()
    stamp = f"{record.due_at:%Y%m%dT%H%M%S}{harness.clock.start.microsecond // 1000:03d}Z"
    assert {(row["PartitionKey"], row["RowKey"]) for row in rows} == {
        (digest[0], f"request-{digest}"),
        (digest[0], f"due-{stamp}-{digest}"),
    }


async def test_a_second_claim_reads_the_first(harness: Harness, make_harness: MakeHarness) -> None:
    """Who comes second gets the record that is there, and changes nothing."""
    other = make_harness(like=harness)
    first = (await harness.services.ledger.insert(harness.new_record())).record
    late = replace(harness.new_record(), requested_at=harness.clock.at(60))

    inserted = await other.services.ledger.insert(late)
    found, is_new = inserted.record, inserted.is_new

    assert not is_new
    assert found == first
    await harness.check_rule_1()


async def test_of_claims_at_once_one_wins(harness: Harness, make_harness: MakeHarness) -> None:
    """Ten claims from two processes: one record, one winner."""
    ledgers = [harness.services.ledger, make_harness(like=harness).services.ledger]

    claims = await asyncio.gather(*(ledgers[i % 2].insert(harness.new_record()) for i in range(10)))

    assert [False] * 9 + [True] == sorted(claim.is_new for claim in claims)
    assert 1 == len({claim.record.etag for claim in claims})
    await harness.check_rule_1()


async def test_a_final_claim_has_no_due_row(harness: Harness) -> None:
    """What is over before it began needs no attention."""
    final = replace(harness.new_record(), status=Status.EXPIRED, due_at=None)

    await harness.services.ledger.insert(final)

    assert 1 == len(await harness.rows())


@pytest.mark.parametrize("loss", list(Loss))
async def test_a_claim_survives_a_lost_transaction(proxied: Proxied, loss: Loss) -> None:
    """A lost reply: the repeat is refused, and the own token says that it had worked."""
    ledger = proxied.harness.services.ledger
    await ledger.insert(proxied.harness.new_record("creates the table"))
    proxied.table.lose("$batch", loss)

    inserted = await ledger.insert(proxied.harness.new_record())
    claimed, is_new = inserted.record, inserted.is_new

    assert is_new
    assert claimed.etag == (await proxied.harness.etag())
    await proxied.harness.check_rule_1()


async def test_a_foreign_claim_is_not_mistaken_for_the_own(
    proxied: Proxied, make_harness: MakeHarness
) -> None:
    """The request was lost, and somebody else claimed meanwhile: then it is theirs."""
    theirs = make_harness(like=proxied.harness)
    first = (await theirs.services.ledger.insert(theirs.new_record())).record
    proxied.table.lose("$batch", Loss.REQUEST)

    inserted = await proxied.harness.services.ledger.insert(proxied.harness.new_record())
    found, is_new = inserted.record, inserted.is_new

    assert (found, is_new) == (first, False)


async def test_storage_that_is_down_is_an_error_soon(proxied: Proxied) -> None:
    """Three tries, then an AzureError: an outage must show within the invocation."""
    ledger = proxied.harness.services.ledger
    proxied.table.down = True

    with pytest.raises(StorageError):
        async with asyncio.timeout(15):
            await ledger.insert(proxied.harness.new_record())

    assert 3 == len(proxied.table.requests)


async def test_a_hand_edited_row_is_an_error_that_names_its_columns(harness: Harness) -> None:
    """Rows can be edited in the portal: reading validates."""
    await harness.services.ledger.insert(harness.new_record())
    await harness.edit(REQUEST_ID, Status="stuck", Attempts="many")

    with pytest.raises(Exception, match=r"Attempts, Status"):
        await harness.services.ledger.insert(harness.new_record())
