"""Whole requests while one kind of storage call answers oddly: each ends once, none posts twice.

Many requests at a time, so that each meets another odd answer. "For ever" lasts until the fault
is lifted; then every request ends.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from azure.core.exceptions import ResourceNotFoundError

from local.portal.script import Answer, Script
from offer_cancellation.errors import InvocationError, StorageError
from offer_cancellation.services import Services
from offer_cancellation.storage import Copy, PoisonQueue, queue_client
from tests.integration.harness import PUBLISHER, Harness
from tests.integration.odd_storage import Call, Fault, Impatient, OddSession, oddities, under

DELIVERIES = 5  # of the host, before it gives a message up
ROUNDS_OF_FAULT, ROUNDS = 4, 30
ACCEPTED = 202
STEP = 400.0  # seconds between two rounds: more than a lease
PATIENCE = 60  # seconds of a busy machine

# What repairs, and what operators call, is left to the table of single calls.
RARE = {Call.DELETE_RECORD, Call.GET_DUE_ROW, Call.HIDE}
CALLS = [call for call in Call if call not in RARE]
COMPLETED = Answer(200, [{"status": "completed"}])
RUNNING = {"id": "op-1", "submissionState": "running", "createdDateTime": "2020-01-01T00:00:00Z"}


class EagerPoison(PoisonQueue):
    """The poison queue, its copies hidden for a second: hiding takes real time."""

    async def receive(self, hidden_seconds: int) -> list[Copy]:
        """The same, sooner."""
        return await super().receive(min(hidden_seconds, 1))

    async def hide(self, copy: Copy, seconds: int) -> bool:
        """The same, sooner."""
        return await super().hide(copy, min(seconds, 1))


class Trouble:
    """One app and its host, with requests of every kind, under a fault."""

    def __init__(self, harness: Harness, session: OddSession, status: int) -> None:
        self.harness = harness
        self.session = session
        services = under(harness.services, session)
        client = queue_client(
            services.settings,
            services.credentials,
            services.settings.poison_queue,
            Impatient(session),
        )
        self.services: Services = replace(services, poison=EagerPoison(client))
        self.harness.services = self.services
        self.offers: dict[str, str] = {}  # by request id
        self._status = status

    async def send(self, count: int) -> None:
        """New requests, one that the host gave up before, and what is no request."""
        names = [*(f"new-{number}" for number in range(count)), "given-up"]
        self.offers = {name: f"{self.harness.offer}-{name}" for name in names}
        self.tell_the_truth()
        for name in names[:-1]:
            await self.harness.send(None, requestId=name, offerId=self.offers[name])

        fields = {"publisherId": PUBLISHER, "offerId": self.offers["given-up"]}
        await self.harness.give_up(json.dumps({**fields, "requestId": "given-up"}))
        await self.harness.give_up("not a request")

    def posts(self) -> list[int]:
        """How many POSTs the API carried out for each request."""
        portal = self.harness.around.portal
        return [portal.count("cancel", offer, PUBLISHER) for offer in self.offers.values()]

    def tell_the_truth(self) -> None:
        """The API lists what runs: nothing any more once it has acted on a POST."""
        location = {"Location": self.harness.location} if self._status == ACCEPTED else {}
        for offer, posts in zip(self.offers.values(), self.posts(), strict=True):
            script = Script(
                cancel=[Answer(self._status, headers=location)],
                submissions=[Answer(200, [] if posts else [RUNNING])],
            )
            self.harness.around.portal.script(offer, script, PUBLISHER)

    async def is_at_rest(self) -> bool:
        """Whether there is nothing more to do."""
        rows = await self.harness.rows()
        is_due = any(str(row["RowKey"]).startswith("due-") for row in rows)
        return not is_due and not await self.services.poison.depth()

    async def round(self) -> None:
        """What the host does meanwhile: deliveries until nothing shows up, and a tick."""
        self.harness.clock.advance(STEP)
        self.tell_the_truth()
        try:
            await self.harness.tick()
        except StorageError:
            pass
        for _ in range(DELIVERIES + 1):
            if not await self._deliver():
                break

    async def _deliver(self) -> int:
        messages = [
            message
            async for message in self.harness.requests.receive_messages(
                messages_per_page=32, visibility_timeout=300
            )
        ]
        for message in messages:
            if int(message.dequeue_count or 0) > DELIVERIES:
                await self.harness.give_up(str(message.content))
                await self.harness.requests.delete_message(message)
                continue
            try:
                await self.harness.handle(self.harness.trigger_input(message))
            except (StorageError, InvocationError):
                await self.harness.requests.update_message(message, visibility_timeout=0)
            else:
                await self.harness.requests.delete_message(message)
        await self.services.ledger.flush()
        return len(messages)

    async def events(self) -> list[dict[str, Any]]:
        """The events, each once: repeats have the same source and id."""
        sent = await self.harness.all_outcomes()
        return list({(event["source"], event["id"]): event for event in sent}.values())

    async def statuses(self) -> list[str | None]:
        """What became of each request so far."""
        return [await self._status_of(name) for name in self.offers]

    async def _status_of(self, request_id: str) -> str | None:
        try:
            return str((await self.harness.record(request_id))["Status"])
        except ResourceNotFoundError:
            return None


@pytest_asyncio.fixture
async def session() -> AsyncIterator[OddSession]:
    """Answers as storage does, until a test has a fault for it."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield OddSession(session)


@pytest.mark.parametrize(
    ("is_carried_out", "status"),
    [
        pytest.param(True, 200, id="carried out, 200"),
        pytest.param(False, ACCEPTED, id="not carried out, 202"),
    ],
)
@pytest.mark.parametrize("times", [pytest.param(8, id="once"), pytest.param(None, id="for ever")])
@pytest.mark.parametrize("call", CALLS)
async def test_each_request_ends_once(
    harness: Harness,
    session: OddSession,
    call: Call,
    times: int | None,
    is_carried_out: bool,
    status: int,
) -> None:
    """Whatever one kind of call answers, for ever or not: one end each, and one POST."""
    trouble = Trouble(harness, session, status)
    harness.accept(COMPLETED)  # every location is that of the test's own offer
    await trouble.send(8)

    session.fault = fault = Fault(call, list(oddities(call).values()), is_carried_out, times)
    async with asyncio.timeout(PATIENCE):
        for _ in range(ROUNDS_OF_FAULT):
            await trouble.round()
        session.fault = None
        for _ in range(ROUNDS):
            await trouble.round()
            if await trouble.is_at_rest():
                break

    assert fault.given
    names = [event["data"]["requestId"] for event in await trouble.events()]
    assert ["canceled"] * len(trouble.offers) == await trouble.statuses()
    assert sorted(trouble.offers) == sorted(set(names) & trouble.offers.keys())
    assert len(names) == len(set(names))
    assert [1] * len(trouble.offers) == trouble.posts()
    assert [] == await harness.waiting()
    assert {"not a request"} == set(await harness.rejected())
