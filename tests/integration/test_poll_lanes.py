"""What waits for a poll never holds up what needs none."""

import asyncio
import json
from importlib import import_module

import pytest
from azure.data.tables import UpdateMode

from local.portal.script import Answer, Fault
from offer_cancellation import transitions
from offer_cancellation.ledger.keys import RecordKey
from offer_cancellation.status import Ending, Status
from tests.integration.faulty_proxy import Proxied
from tests.integration.harness import LEASE, PUBLISHER, Harness, MakeHarness

tick_module = import_module("poll_timer.tick")  # the package has a function of that name
HANGING = 16  # polls, for one slot: more than either lane works on at a time
HOUR = 3600


async def _forget_statuses(harness: Harness) -> None:
    """Due rows as an older version wrote them."""
    for row in await harness.rows():
        if row["RowKey"].startswith("due-") and row.pop("Status", None):
            await harness.table.update_entity(row, mode=UpdateMode.REPLACE)


async def _owe(harness: Harness, request_id: str) -> None:
    """A request that ended, and whose event was not sent."""
    await harness.submit(requestId=request_id)
    record = await harness.services.ledger.find(RecordKey.of(request_id))
    assert record is not None
    ending = Ending(Status.CANCELED)
    await harness.services.ledger.save(
        record, transitions.finished(record, harness.clock(), ending)
    )


@pytest.mark.parametrize("has_statuses", [True, False], ids=["statuses", "rows without a status"])
async def test_hanging_polls_hold_up_nothing_else(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch, has_statuses: bool
) -> None:
    """Expiry, put-back, take-over, an owed event and adoption are done beside them."""
    harness = make_harness(POLL_CONCURRENCY="1")
    await harness.die_posting(requestId="dead")
    await harness.requests.clear_messages()
    harness.accept(Answer(fault=Fault.HANG))
    for number in range(HANGING):
        await harness.submit(requestId=f"hangs-{number}")
    await _owe(harness, "owed")
    harness.script(cancel=[Answer(503)], operation=[Answer(fault=Fault.HANG)])
    await harness.submit(requestId="deferred")
    await harness.submit(requestId="late", expiresAt=harness.clock.at(60).isoformat())
    await harness.give_up(
        json.dumps({"publisherId": PUBLISHER, "offerId": harness.offer, "requestId": "given-up"})
    )
    if not has_statuses:
        await _forget_statuses(harness)
    monkeypatch.setattr(tick_module, "_QUICK_WIDTH", 1)  # one poll in that lane would stop it
    monkeypatch.setattr(tick_module, "END_WITHIN", 5)

    results = await harness.tick_after(LEASE + 10)

    assert {"put-back": 2, "expired": 1, "reported": 1, "adopted": 1} == results
    assert 1 == harness.count("operation")
    put_back = {json.loads(text)["requestId"] for text in await harness.waiting()}
    assert {"dead", "deferred"} == put_back
    assert {"owed", "late"} == {event["data"]["requestId"] for event in await harness.outcomes()}
    assert await harness.has_record("given-up")


async def test_what_needs_no_poll_is_abandoned_too(
    proxied: Proxied, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A storage that hangs keeps no tick for ever; what was under way is still due."""
    harness, never = proxied.harness, asyncio.Event()
    harness.script(cancel=[Answer(503)])
    await harness.submit()
    await harness.tick()
    proxied.table.interrupt("POST ", never.wait)
    monkeypatch.setattr(tick_module, "END_WITHIN", 0.5)
    monkeypatch.setattr(tick_module, "_FLUSH_SECONDS", 0.2)

    async with asyncio.timeout(8):
        results = await harness.tick_after(HOUR)

    assert {} == results
    assert [] == await harness.waiting()
    await harness.check_rule_1()
    never.set()
    monkeypatch.undo()
    await harness.services.ledger.flush()
    assert {"put-back": 1} == await harness.tick_after(HOUR)


async def test_a_tick_that_is_abandoned_stops_no_write_of_others(proxied: Proxied) -> None:
    """The trigger's writes may wait for the same transaction: they are answered all the same."""
    harness, passed = proxied.harness, asyncio.Event()
    await harness.services.ledger.insert(harness.new_record("first"))
    proxied.table.interrupt("POST ", passed.wait)
    written = asyncio.create_task(harness.services.ledger.insert(harness.new_record()))
    await asyncio.sleep(0)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await harness.services.ledger.flush()

    passed.set()
    assert (await asyncio.wait_for(written, 8)).is_new
