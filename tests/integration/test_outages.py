"""What is away comes back, and meanwhile nothing is poisoned, lost or posted twice."""

import dataclasses
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from azure.functions.queue import QueueMessage

from local.portal.script import Answer
from local.server import serve
from offer_cancellation.backoff import Backoff
from offer_cancellation.clock import rfc3339
from offer_cancellation.errors import StorageError
from tests.integration.faulty_proxy import FaultyProxy, faulty_proxy
from tests.integration.harness import LEASE, PUBLISHER, REQUEST_ID, Harness, MakeHarness

HOUR = 3600
STEP = 900  # seconds between two looks
REQUESTS = 12


def _through(proxy: FaultyProxy, service: str, harness: Harness) -> dict[str, str]:
    """The connection string with one service behind the proxy."""
    azurite = harness.around.azurite
    uri = azurite.table_uri if service == "Table" else azurite.queue_uri
    return {"CANCEL_STORAGE": azurite.connection_string.replace(uri, proxy.url)}


async def _live(harness: Harness, seconds: int) -> Counter[int]:
    """Ticks and deliveries for so long; how many calls the portal saw at each step."""
    calls: Counter[int] = Counter()
    for step in range(seconds // STEP):
        before = len(harness.seen("cancel"))
        await harness.tick_after(STEP)
        while await harness.deliver():
            pass
        calls[step] = len(harness.seen("cancel")) - before
    return calls


async def test_api_down_for_hours(make_harness: MakeHarness) -> None:
    """Requests outlast an outage of the API, or expire; attempts spread; nothing is poisoned."""
    harness = make_harness(BACKOFF_MAX_SECONDS="3600")
    spread = Backoff(15, 3600, random.Random(7).random)  # noqa: S311 - no secret
    harness.services = dataclasses.replace(harness.services, backoff=spread)
    harness.script(cancel=[Answer(503)])
    for number in range(REQUESTS):
        expiry = {"expiresAt": rfc3339(harness.clock.at(5 * HOUR))} if number % 4 == 0 else {}
        await harness.send(None, requestId=f"down-{number}", **expiry)
    await harness.deliver()
    calls = await _live(harness, 10 * HOUR)
    harness.script(cancel=[Answer(200)])
    await _live(harness, 2 * HOUR)
    ends = Counter[str]()
    for number in range(REQUESTS):
        ends[(await harness.record(f"down-{number}"))["Status"]] += 1
        await harness.check_rule_1(f"down-{number}")
    assert {"canceled": REQUESTS - REQUESTS // 4, "expired": REQUESTS // 4} == dict(ends)
    assert [] == await harness.rejected()
    assert 0 == await harness.deliver()
    late = [count for step, count in calls.items() if step * STEP >= 4 * HOUR]
    crowded = [count for count in late if count > REQUESTS * 2 // 3]
    assert len(crowded) <= len(late) // 8, late


async def test_api_down_spares_the_api(make_harness: MakeHarness) -> None:
    """At the default bounds a request that waits is tried about every five minutes."""
    harness = make_harness()
    harness.script(cancel=[Answer(503)])
    await harness.submit()
    for _ in range(12 * 2):
        await harness.tick_after(300)
        await harness.deliver()
    assert len(harness.seen("cancel")) <= 12 * 2 + 6


async def test_token_outlives_the_identity_endpoint(harness: Harness) -> None:
    """While a token is valid, nobody notices that the identity endpoint is down."""
    harness.script(cancel=[Answer(200)])
    await harness.submit()
    harness.around.identity.down = True
    await harness.submit(requestId="r-2")
    assert "canceled" == (await harness.record("r-2"))["Status"]


async def test_identity_down_without_a_token(harness: Harness) -> None:
    """Without a token a request waits, unposted, and goes on when the endpoint is back."""
    harness.script(cancel=[Answer(200)])
    harness.around.identity.down = True
    await harness.submit()
    await harness.holds("deferred", Attempts=0, Uncertain=False)
    harness.around.identity.down = False
    await harness.tick_after(60)
    await harness.deliver()
    assert 1 == (await harness.ends("canceled"))["attempts"]


async def test_table_down(make_harness: MakeHarness, harness: Harness) -> None:
    """While the table is away deliveries fail, however many; then the request goes on."""
    harness.script(cancel=[Answer(200)])
    async with faulty_proxy(harness.around.azurite.table_uri) as proxy:
        cut_off = make_harness(like=harness, **_through(proxy, "Table", harness))
        proxy.down = True
        message_id = await harness.send()
        for deliveries in (1, 5, 119):
            message = QueueMessage(  # type: ignore[no-untyped-call]
                id=message_id, body=(await harness.waiting())[0], dequeue_count=deliveries,
                insertion_time=harness.clock(),
            )  # fmt: skip
            with pytest.raises(StorageError):
                await cut_off.handle(message)
        assert ([], []) == (await harness.outcomes(), await harness.rejected())
        with pytest.raises(StorageError):
            await cut_off.tick()
        proxy.down = False
        await cut_off.deliver()
    assert 1 == (await harness.ends("canceled"))["attempts"]


async def test_outcome_queue_down_in_the_trigger(
    make_harness: MakeHarness, harness: Harness
) -> None:
    """A final record whose event could not be sent: the same event later, no second POST."""
    harness.script(cancel=[Answer(200)])
    await harness.send()
    async with faulty_proxy(harness.around.azurite.queue_uri) as proxy:
        cut_off = make_harness(like=harness, **_through(proxy, "Queue", harness))
        proxy.down = True
        await cut_off.deliver()  # its due row owes the event: the message is completed
        assert ("canceled", []) == ((await harness.record())["Status"], await harness.outcomes())
        proxy.down = False
        assert {} == await cut_off.tick()
        assert {"reported": 1} == await cut_off.tick_after(LEASE)
    await harness.ends("canceled")
    assert 1 == harness.count("cancel")


async def test_outcome_queue_down_in_the_timer(make_harness: MakeHarness, harness: Harness) -> None:
    """The due row stays until the event is sent; then the event is sent once, and no poll more."""
    harness.accept(Answer(200, {"status": "completed"}))
    await harness.submit()
    async with faulty_proxy(harness.around.azurite.queue_uri) as proxy:
        cut_off = make_harness(like=harness, **_through(proxy, "Queue", harness))
        proxy.down = True
        await cut_off.tick_after(60)
        assert ("canceled", 1) == (
            (await harness.record())["Status"],
            len(await harness.due_rows()),
        )
        proxy.down = False
        await cut_off.tick_after(30)
    await harness.ends("canceled")
    assert 1 == harness.count("operation")


class RoleGate(FaultyProxy):
    """Storage that refuses everything until the role assignment has come through."""

    granted = False

    async def forward(self, request: web.Request) -> web.StreamResponse:
        """403 as the service words it, or what the service says."""
        if self.granted:
            return await super().forward(request)
        code = "AuthorizationPermissionMismatch"
        error = {"odata.error": {"code": code, "message": {"lang": "en-US", "value": "no role"}}}
        return web.json_response(error, status=403, headers={"x-ms-error-code": code})


@asynccontextmanager
async def _role_gate(target: str) -> AsyncIterator[RoleGate]:
    app = web.Application()
    skipped = ("Content-Type", "Accept", "User-Agent")  # they would spoil the signature
    async with aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=skipped) as session:
        gate = RoleGate(target, session)
        app.router.add_route("*", "/{rest:.*}", gate.forward)
        async with serve(app) as url:
            gate.url = f"{url}{gate.account}"
            yield gate


async def test_roles_granted_late(make_harness: MakeHarness, harness: Harness) -> None:
    """An app that may not use its storage yet goes on by itself once it may."""
    harness.script(cancel=[Answer(200)])
    await harness.send()
    async with _role_gate(harness.around.azurite.table_uri) as gate:
        early = make_harness(like=harness, **_through(gate, "Table", harness))
        with pytest.raises(StorageError):
            await early.deliver()
        with pytest.raises(StorageError):
            await early.tick()
        gate.granted = True
        await early.tick()
        await early.deliver()
    assert PUBLISHER == (await harness.ends("canceled"))["publisherId"]
    assert REQUEST_ID == (await harness.outcome())["requestId"]
