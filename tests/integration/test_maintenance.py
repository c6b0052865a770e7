"""What a tick does beside what is due: the request queue, lost due rows, and the gauges."""

import asyncio
from importlib import import_module

import aiohttp
import pytest
from aiohttp import web
from azure.core.exceptions import ResourceNotFoundError

from local.portal.script import Answer
from local.server import serve
from offer_cancellation.ledger.keys import BUCKETS
from poll_timer.maintenance import PERIOD_SECONDS
from tests.integration.faulty_proxy import FaultyProxy, Loss, Proxied
from tests.integration.harness import Harness, MakeHarness

tick_module = import_module("poll_timer.tick")  # the package has a function of that name
LOOK = "RowKey ge 'request-'"  # how a look at a bucket's records begins


def looks(proxied: Proxied) -> int:
    """How often a bucket's records were looked at."""
    return sum(LOOK in name for name in proxied.table.requests)


async def test_a_queue_deleted_under_a_warm_process_comes_back(harness: Harness) -> None:
    """The next tick makes it, though an earlier one of the process had made it before."""
    await harness.tick()
    await harness.requests.delete_queue()
    with pytest.raises(ResourceNotFoundError):
        await harness.requests.get_queue_properties()

    await harness.tick()

    assert 0 == (await harness.requests.get_queue_properties()).approximate_message_count


async def test_each_tick_asks_for_the_queue(proxied: Proxied) -> None:
    """Nothing is remembered of it: whoever deletes it tells nobody."""
    for _ in range(3):
        await proxied.harness.tick()

    name = f"PUT {proxied.queue.account}/requests-{proxied.harness.name}"
    assert 3 == proxied.queue.requests.count(name)


async def test_the_first_tick_of_a_process_looks(proxied: Proxied) -> None:
    """A process may live for less than a period; then once a period."""
    await proxied.harness.tick()
    assert 1 == looks(proxied)

    await proxied.harness.tick()
    assert 1 == looks(proxied)

    await proxied.harness.tick_after(PERIOD_SECONDS)
    assert 2 == looks(proxied)


async def test_a_new_process_finds_a_lost_row(harness: Harness, make_harness: MakeHarness) -> None:
    """Processes that live for one tick each look at every bucket, one after the other."""
    harness.accept(Answer(200, {"status": "running"}))
    await harness.submit()
    await harness.remove_due_rows()

    for _ in BUCKETS:
        await make_harness(like=harness).tick_after(PERIOD_SECONDS)

    await harness.check_rule_1()


async def test_a_look_that_takes_too_long_is_not_repeated(
    proxied: Proxied, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is given up, and nothing is looked at again before the next period."""
    never = asyncio.Event()
    monkeypatch.setattr(tick_module, "_MAINTENANCE_SECONDS", 0.3)
    proxied.table.interrupt(LOOK, never.wait)
    await proxied.harness.tick()
    assert 1 == looks(proxied)

    await proxied.harness.tick()

    assert 1 == looks(proxied)
    never.set()
    monkeypatch.undo()
    await proxied.harness.tick_after(PERIOD_SECONDS)
    assert 2 == looks(proxied)


async def test_a_look_that_failed_is_repeated(proxied: Proxied) -> None:
    """At the next tick: nothing was looked at."""
    proxied.table.lose(LOOK, Loss.REQUEST, times=20)
    await proxied.harness.tick()
    proxied.table.heal()
    before = looks(proxied)

    await proxied.harness.tick()

    assert before + 1 == looks(proxied)


async def test_a_lost_row_is_found_while_the_queues_are_away(proxied: Proxied) -> None:
    """What belongs to the ledger does not hang on what belongs to queues."""
    harness = proxied.harness
    harness.accept(Answer(200, {"status": "running"}))
    await harness.submit()
    await harness.remove_due_rows()
    turn = BUCKETS.index((await harness.record())["PartitionKey"])
    period = int(harness.clock().timestamp()) // PERIOD_SECONDS
    harness.clock.advance((turn - period) % len(BUCKETS) * PERIOD_SECONDS)
    proxied.queue.down = True

    await harness.tick()

    await harness.check_rule_1()


class _Deleting(FaultyProxy):
    """A queue service that is just deleting the queue that is to be made."""

    is_deleting = True

    async def forward(self, request: web.Request) -> web.StreamResponse:
        """409 as the service words it, or what the service says."""
        if not self.is_deleting or request.method != "PUT":
            return await super().forward(request)

        code = "QueueBeingDeleted"
        text = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>wait</Message></Error>'
        headers = {"x-ms-error-code": code, "Content-Type": "application/xml"}
        return web.Response(status=409, text=text, headers=headers)


async def test_a_queue_that_is_being_deleted_is_not_there(
    make_harness: MakeHarness, harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    """409 is said of it, too: the tick says that it failed, and a later one makes it."""
    azurite, app = harness.around.azurite, web.Application()
    async with aiohttp.ClientSession(
        auto_decompress=False, skip_auto_headers=("Content-Type", "Accept", "User-Agent")
    ) as session:
        gate = _Deleting(azurite.queue_uri, session)
        app.router.add_route("*", "/{rest:.*}", gate.forward)
        async with serve(app) as url:
            storage = azurite.connection_string.replace(azurite.queue_uri, url + gate.account)
            early = make_harness(like=harness, CANCEL_STORAGE=storage)
            await early.tick()
            failed = [r for r in caplog.records if r.getMessage() == "poll.aside_failed"]
            gate.is_deleting = False

            await early.tick()

            await early.services.close()

    assert ["request-queue"] == [getattr(record, "look", None) for record in failed]
    assert 0 == (await harness.requests.get_queue_properties()).approximate_message_count
