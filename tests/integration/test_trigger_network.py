"""What becomes of a request when the call gets no answer."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest
import pytest_asyncio

from local.portal.script import Answer, Fault
from offer_cancellation.portal.answer import Cause, NoAnswer
from offer_cancellation.portal.client import Portal
from tests.integration.harness import FIRST_WAIT, Harness, MakeHarness, timeout_for


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.parametrize("fault", [Fault.RESET_BEFORE, Fault.RESET_AFTER, Fault.HANG])
async def test_a_call_that_was_sent_is_uncertain(make_harness: MakeHarness, fault: Fault) -> None:
    """A reset or a time-out after sending: the POST may have arrived, and counts."""
    harness = make_harness(**timeout_for(Answer(fault=fault)))
    harness.script(cancel=[Answer(fault=fault)])

    await harness.submit()

    await harness.holds("deferred", Uncertain=True, Attempts=1, HttpStatus=None)
    assert await harness.due_at(FIRST_WAIT)
    assert [] == await harness.waiting()


async def test_a_refused_connection_is_no_attempt(
    make_harness: MakeHarness, free_port: int
) -> None:
    """Nothing was sent: not uncertain, not counted, tried again later."""
    harness = make_harness(PARTNER_API_URL=f"http://127.0.0.1:{free_port}")

    await harness.submit()

    await harness.holds("deferred", Uncertain=False, Attempts=0)
    assert await harness.due_at(FIRST_WAIT)


async def test_without_a_token_nothing_is_sent(harness: Harness) -> None:
    """An outage of the token endpoint poisons nothing: the request waits, and then ends well."""
    harness.script(cancel=[Answer(200)])
    harness.around.identity.down = True

    await harness.submit()

    await harness.holds("deferred", Uncertain=False, Attempts=0)
    assert ([], []) == (harness.seen(), await harness.rejected())
    harness.around.identity.down = False
    await harness.tick_after(FIRST_WAIT)
    await harness.deliver()
    assert 1 == (await harness.ends("canceled"))["attempts"]


async def test_a_dead_api_is_waited_for_until_the_deadline(
    make_harness: MakeHarness, free_port: int
) -> None:
    """Waits grow, nothing is poisoned, and at the deadline the request expires."""
    harness = make_harness(PARTNER_API_URL=f"http://127.0.0.1:{free_port}")
    await harness.submit(expiresAt=harness.clock.at(600).isoformat())

    for _ in range(3):
        record = await harness.holds("deferred", Attempts=0)
        await harness.tick_after((record["NextTryAt"] - harness.clock()).total_seconds())
        await harness.deliver()
    await harness.tick_after(600)

    data = await harness.ends("expired", "DeadlinePassed")
    assert (0, False) == (data["attempts"], "uncertain" in data)
    assert [] == await harness.rejected()


async def test_a_429_pauses_every_call(harness: Harness) -> None:
    """Until it is over nothing more is sent, for no offer; then it goes on, spread out."""
    harness.script(cancel=[Answer(429, headers={"Retry-After": "60"})])
    await harness.submit()
    harness.script(cancel=[Answer(200)])
    harness.clock.advance(10)

    await harness.submit(requestId="other")

    other = await harness.record("other")
    assert ("deferred", 0) == (other["Status"], other["Attempts"])
    assert other["NextTryAt"] == harness.clock.at(60 + 15)
    await harness.check_rule_1("other")
    assert 1 == harness.count("cancel")
    assert {"put-back": 2} == await harness.tick_after(65)
    await harness.deliver()
    ended = {event["data"]["requestId"]: event["data"]["attempts"] for event in
             await harness.outcomes()}  # fmt: skip
    assert {"r-1": 2, "other": 1} == ended


async def test_an_invocation_does_not_outlive_its_lease(harness: Harness) -> None:
    """With too little of the lease left for a call, it defers instead of posting."""
    guard = "56615b67-2185-49fe-80d2-c4ddf77bb2e8"
    harness.script(
        cancel=[Answer(200)], operation=[Answer(200, {"status": "running"}, delay_seconds=0.3)]
    )
    await harness.send(operationId=guard)
    async with harness.delivering():
        await harness.until(lambda: harness.count("operation") == 1)
        harness.clock.advance(216)

    await harness.holds("deferred", Attempts=0, Uncertain=False)
    assert 0 == harness.count("cancel")


@dataclass
class Brusque:
    """A server that closes each connection after one answer, without saying so."""

    answers: dict[str, list[tuple[int, object]]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    url: str = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, one answer; whatever comes later is never read."""
        try:
            line = (await reader.readuntil(b"\r\n\r\n")).decode().partition(" HTTP/")[0]
            call = line.partition("?")[0].rstrip("/").rpartition("/")[2]
            self.calls.append(call)
            status, value = self.answers[call].pop(0)
            body = json.dumps(value).encode()
            length = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            writer.write(length + body)
            await writer.drain()
            await reader.read(1)  # the client has the answer once it closes, or goes on
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest_asyncio.fixture
async def brusque() -> AsyncIterator[Brusque]:
    """Such a server."""
    server = Brusque()
    listening = await asyncio.start_server(server.handle, "127.0.0.1")
    host, port = listening.sockets[0].getsockname()
    server.url = f"http://{host}:{port}"
    yield server
    listening.close()


async def test_the_post_after_a_look_has_a_connection_of_its_own(
    make_harness: MakeHarness, brusque: Brusque
) -> None:
    """Where the look's connection is dead, the POST behind it would never be read."""
    harness = make_harness(PARTNER_API_URL=brusque.url)
    running = [{"submissionState": "running", "createdDateTime": "2020-01-01T00:00:00Z"}]
    brusque.answers = {"cancel": [(500, None), (200, {})], "submissions": [(200, running)]}
    await harness.submit()

    await harness.tick_after(FIRST_WAIT)
    await harness.deliver()

    assert 2 == (await harness.ends("canceled"))["attempts"]
    assert ["cancel", "submissions", "cancel"] == brusque.calls


async def test_the_post_behind_a_guard_has_a_connection_of_its_own(
    make_harness: MakeHarness, brusque: Brusque
) -> None:
    """A guard is a call before the POST, too."""
    guard = "56615b67-2185-49fe-80d2-c4ddf77bb2e8"
    harness = make_harness(PARTNER_API_URL=brusque.url)
    brusque.answers = {guard: [(200, {"status": "running"})], "cancel": [(200, {})]}

    await harness.submit(operationId=guard)

    assert 1 == (await harness.ends("canceled"))["attempts"]


@pytest.mark.parametrize("host", ["cloudpartner..test", ".cloudpartner.test", "x" * 64 + ".test"])
async def test_a_name_that_cannot_be_resolved_is_an_outage(harness: Harness, host: str) -> None:
    """Whatever the resolver raises: nothing was sent, and it is tried again later."""
    app = harness.services
    settings = app.settings.model_copy(update={"api_url": f"https://{host}"})
    portal = Portal(settings, app.credentials.of(None), app.backoff, harness.clock)
    harness.services = replace(app, portal=portal)
    await app.portal.close()

    await harness.submit()

    await harness.holds("deferred", Uncertain=False, Attempts=0)


async def test_a_connection_that_hangs_is_not_an_attempt(make_harness: MakeHarness) -> None:
    """The time-out comes before a byte could leave."""
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        harness = make_harness(PARTNER_API_URL=url, PARTNER_API_TIMEOUT_SECONDS="1")

        await harness.submit()

    await harness.holds("deferred", Uncertain=False, Attempts=0)


async def test_a_post_is_sent_once(make_harness: MakeHarness, brusque: Brusque) -> None:
    """On a dead connection it is lost, not repeated below the app."""
    harness = make_harness(PARTNER_API_URL=brusque.url, PARTNER_API_TIMEOUT_SECONDS="2")
    brusque.answers = {"cancel": [(503, {}), (200, {})]}
    portal = harness.services.portal
    await portal.cancel("contoso", "one", None)

    reply = await portal.cancel("contoso", "two", None)

    assert isinstance(reply, NoAnswer)
    assert (True, ["cancel"]) == (reply.sent, brusque.calls)


async def test_why_there_is_no_answer(make_harness: MakeHarness, free_port: int) -> None:
    """The reason is kept for people, without an address of e-mail or a query."""
    harness = make_harness(PARTNER_API_URL=f"http://127.0.0.1:{free_port}")

    reply = await harness.services.portal.cancel("contoso", "offer", None)

    assert isinstance(reply, NoAnswer)
    assert reply.error is not None
    assert ("ClientConnectorError", Cause.NETWORK) == (reply.error.code, reply.cause)
    assert f"127.0.0.1:{free_port}" in reply.error.message


async def test_why_there_is_no_token(harness: Harness) -> None:
    """The identity's answer is the reason."""
    harness.around.identity.down = True

    reply = await harness.services.portal.cancel("contoso", "offer", None)

    assert isinstance(reply, NoAnswer)
    assert (Cause.TOKEN, False) == (reply.cause, reply.sent)
    assert reply.error is not None
    assert reply.error.message
