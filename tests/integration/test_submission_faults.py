"""A submission API that is away, throttles, lies or breaks: nothing is lost or deleted twice."""

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from aiohttp import web

from local.portal.script import Answer, Fault
from local.portal.submission_script import CANCELLED, DELETED, DRAFT, GONE, SUBMITTED
from local.portal.submissions import AUDIENCE
from tests.integration.harness import (
    FIRST_WAIT,
    REQUEST_ID,
    SHORT_TIMEOUT,
    Harness,
    MakeHarness,
    timeout_for,
)
from tests.integration.test_hostile_answers import BODIES, MEMORY_LIMIT, Handler, Server, api, twin

__all__ = ["api", "twin"]  # fixtures

FIRST_API = "https://cloudpartner.azure.com"
OUTAGES = [
    *(Answer(status) for status in (401, 408, 429, 500, 502, 503, 504)),
    *(Answer(fault=fault) for fault in (Fault.RESET_BEFORE, Fault.RESET_AFTER, Fault.HANG)),
]
NOT_UNDERSTOOD = [
    Answer(200, "<p>soon</p>"),
    Answer(200, []),
    Answer(200, {"state": 1, "substate": "Submitted"}),
    Answer(200, [{"state": "InProgress", "substate": "Submitted"}]),
    Answer(204),
    Answer(302, headers={"Location": "/v1.0/ingestion/products/product-other"}),
    Answer(200, SUBMITTED.body, fault=Fault.TRUNCATE),
]


def _name(answer: Answer) -> str:
    return str(answer.fault or f"{answer.status} {answer.body}")[:40]


async def _until_due(harness: Harness) -> None:
    record = await harness.record()
    await harness.tick_after((record["NextTryAt"] - harness.clock()).total_seconds())
    await harness.deliver()


@pytest.mark.parametrize("answer", [*OUTAGES, *NOT_UNDERSTOOD], ids=_name)
async def test_look(make_harness: MakeHarness, answer: Answer) -> None:
    """Nothing is deleted; the request waits, and then goes on."""
    harness = make_harness(**timeout_for(answer))
    harness.script_submission(read=[answer])
    await harness.submit_submission()
    await harness.holds("deferred", Uncertain=False, Attempts=0)
    assert harness.submission_calls("delete") == []
    harness.script_submission(read=[SUBMITTED], after=[CANCELLED])

    await _until_due(harness)

    await harness.holds("accepted", Attempts=1)


@pytest.mark.parametrize("answer", OUTAGES, ids=_name)
async def test_look_at_the_product(make_harness: MakeHarness, answer: Answer) -> None:
    """Whether a submission that is not there was cancelled waits for its product."""
    harness = make_harness(**timeout_for(answer))
    harness.script_submission(
        read=[SUBMITTED, GONE], delete=[Answer(503)], product=[answer, answer, Answer(200, {})]
    )
    await harness.submit_submission()
    await _until_due(harness)
    await harness.holds("deferred", Attempts=1)

    for _ in range(2):
        if (await harness.record())["Status"] == "deferred":
            await _until_due(harness)

    assert (await harness.ends("canceled"))["uncertain"] is True


@pytest.mark.parametrize("answer", OUTAGES, ids=_name)
async def test_delete(make_harness: MakeHarness, answer: Answer) -> None:
    """Deferred, uncertain where it may have arrived; it is deleted once more if still submitted."""
    harness = make_harness(**timeout_for(answer))
    harness.script_submission(read=[SUBMITTED], delete=[answer, answer, DELETED])
    await harness.submit_submission()
    is_uncertain = answer.status not in (401, 429) or answer.fault is not None
    await harness.holds("deferred", Uncertain=is_uncertain, Attempts=1)
    harness.script_submission(read=[SUBMITTED], delete=[DELETED])

    await _until_due(harness)

    await harness.holds("accepted", Uncertain=is_uncertain, Attempts=2)


@pytest.mark.parametrize("after", [CANCELLED, DRAFT, GONE], ids=["cancelled", "draft", "gone"])
@pytest.mark.parametrize("fault", [Fault.RESET_AFTER, Fault.HANG])
async def test_a_delete_that_worked_unheard(
    make_harness: MakeHarness, fault: Fault, after: Answer
) -> None:
    """The look says so: canceled, said to be uncertain, and deleted once."""
    harness = make_harness(**timeout_for(Answer(fault=fault)))
    harness.script_submission(read=[SUBMITTED], delete=[Answer(fault=fault)], after=[after])
    await harness.submit_submission()

    await _until_due(harness)

    data = await harness.ends("canceled")
    assert (data["uncertain"], data["attempts"], harness.deletes()) == (True, 1, 1)


@pytest.mark.parametrize("answer", [*OUTAGES, *NOT_UNDERSTOOD], ids=_name)
async def test_poll(make_harness: MakeHarness, answer: Answer) -> None:
    """Pending, until a read says more."""
    harness = make_harness(**timeout_for(answer))
    harness.script_submission(read=[SUBMITTED], after=[answer, answer])
    await harness.submit_submission()
    await harness.tick_after(FIRST_WAIT)
    await harness.holds("accepted", Polls=1, Location=None)
    harness.script_submission(read=[CANCELLED])

    await _until_due(harness)

    await harness.ends("canceled")


async def test_a_connection_that_is_refused(make_harness: MakeHarness) -> None:
    """Nothing was sent: no attempt, however long it lasts; the deadline ends it."""
    harness = make_harness(SUBMISSION_API_URL="http://127.0.0.1:9")
    await harness.submit_submission(expiresAt=harness.clock.at(60).isoformat())
    await harness.holds("deferred", Uncertain=False, Attempts=0)

    await harness.tick_after(60)

    assert (await harness.ends("expired", "DeadlinePassed"))["attempts"] == 0


async def test_a_401_gets_one_fresh_token(harness: Harness) -> None:
    """The DELETE is repeated with it, as the same attempt."""
    harness.script_submission(read=[SUBMITTED], delete=[Answer(401), DELETED], after=[CANCELLED])

    await harness.submit_submission()

    await harness.holds("accepted", Attempts=1)
    tokens = [call.token_jti for call in harness.submission_calls("delete")]
    assert len(set(tokens)) == 2


async def test_duplicates_delete_once(harness: Harness) -> None:
    """Of several deliveries in flight, one claims the request."""
    harness.script_submission(read=[SUBMITTED], after=[CANCELLED])
    await harness.send_submission()
    messages = [m async for m in harness.requests.receive_messages()]

    await asyncio.gather(
        *(harness.handle(harness.trigger_input(message)) for message in messages * 5)
    )

    assert len(harness.submission_calls("delete")) == 1
    await harness.submit_submission()
    assert len(harness.submission_calls("delete")) == 1
    await harness.tick_after(FIRST_WAIT)
    await harness.submit_submission()
    await harness.ends("canceled", events=2)


async def test_two_requests_for_one_submission(harness: Harness) -> None:
    """The second finds it cancelled: both are canceled, and one DELETE went out."""
    harness.script_submission(read=[SUBMITTED], after=[CANCELLED])

    await harness.submit_submission(requestId="one")
    await harness.submit_submission(requestId="two")

    assert (await harness.record("one"))["Status"] == "accepted"
    assert (await harness.record("two"))["Status"] == "canceled"
    assert harness.deletes() == 1


# Each API by itself.


async def test_each_token_is_for_its_own_api(harness: Harness) -> None:
    """No token is asked for before its API is used, and none goes to the other one."""
    identity = harness.around.identity
    asked = len(identity.resources)
    harness.script(cancel=[Answer(200)])
    harness.script_submission(read=[SUBMITTED])

    await harness.submit(requestId="offer")
    assert identity.resources[asked:] == [FIRST_API]
    await harness.submit_submission()

    assert identity.resources[asked:] == [FIRST_API, AUDIENCE]
    assert harness.refused() == []  # each API refuses a token of the other's audience


async def test_a_submission_alone_needs_one_token(harness: Harness) -> None:
    """The first API's is not asked for."""
    asked = len(harness.around.identity.resources)
    harness.script_submission(read=[SUBMITTED], after=[CANCELLED])

    await harness.submit_submission()
    await harness.tick_after(FIRST_WAIT)

    assert harness.around.identity.resources[asked:] == [AUDIENCE]


@pytest.mark.parametrize("is_first", [True, False])
async def test_a_pause_of_one_api_leaves_the_other_alone(harness: Harness, is_first: bool) -> None:
    """A 429 slows down what this process sends to that API."""
    throttled = Answer(429, headers={"Retry-After": "60"})
    harness.script(cancel=[throttled if is_first else Answer(200)])
    harness.script_submission(read=[SUBMITTED if is_first else throttled])

    await harness.submit(requestId="offer")
    await harness.submit_submission()
    await harness.submit(requestId="another")

    names = ("offer", REQUEST_ID, "another")
    states = [(await harness.record(name))["Status"] for name in names]
    first = "deferred" if is_first else "canceled"
    assert states == [first, "accepted" if is_first else "deferred", first]


# An API gone bad.


@pytest.fixture
def victim(make_harness: MakeHarness, api: Server) -> Harness:
    """The app, bound to that API."""
    return make_harness(SUBMISSION_API_URL=api.url, **SHORT_TIMEOUT)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
async def test_hostile_body_of_a_look(victim: Harness, api: Server, body: Handler) -> None:
    """Deferred, and nothing deleted; memory stays bounded."""
    api.answer = body
    tracemalloc.start()
    await victim.submit_submission()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    await victim.holds("deferred", Attempts=0)
    assert (len(api.calls), peak < MEMORY_LIMIT) == (1, True)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirects_are_not_followed(
    victim: Harness, api: Server, twin: Server, status: int
) -> None:
    """Of a look: it waits; the token goes nowhere."""
    headers = {"Location": f"{twin.url}/v1.0/ingestion/x"}
    api.answer = _answering(status, headers)

    await victim.submit_submission()

    await victim.holds("deferred", Attempts=0)
    assert len(api.calls) == 1


def _answering(status: int, headers: dict[str, str]) -> Handler:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers=headers)

    return handler


@dataclass
class Closing:
    """A raw server that closes each connection after one request, answered or not."""

    answers: list[tuple[int, object] | None] = field(default_factory=list)
    arrived: list[str] = field(default_factory=list)
    url: str = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request; None is no answer at all."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.arrived.append(head.partition(" ")[0])
            answer = self.answers.pop(0)
            if answer:
                body = json.dumps(answer[1]).encode() if answer[1] is not None else b""
                length = f"HTTP/1.1 {answer[0]} X\r\nContent-Length: {len(body)}\r\n\r\n"
                writer.write(length.encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest_asyncio.fixture
async def closing() -> AsyncIterator[Closing]:
    """Such a server."""
    server = Closing()
    listening = await asyncio.start_server(server.handle, "127.0.0.1")
    host, port = listening.sockets[0].getsockname()
    server.url = f"http://{host}:{port}"
    yield server
    listening.close()


@pytest.mark.parametrize("answer", [None, (204, None)], ids=["no answer", "204"])
async def test_a_delete_arrives_once(
    make_harness: MakeHarness, closing: Closing, answer: tuple[int, object] | None
) -> None:
    """On a connection of its own, and never repeated below the app."""
    harness = make_harness(SUBMISSION_API_URL=closing.url, **SHORT_TIMEOUT)
    closing.answers = [(200, SUBMITTED.body), answer, (204, None), (204, None)]

    await harness.submit_submission()

    assert closing.arrived == ["GET", "DELETE"]
    status = "accepted" if answer else "deferred"
    await harness.holds(status, Attempts=1, Uncertain=answer is None)
