"""Storage as the field has it: queues deleted, columns saved by tools, answers that trickle."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from azure.data.tables import EdmType, EntityProperty

from local.portal.script import Answer
from local.server import serve
from offer_cancellation import storage_call
from offer_cancellation.clock import rfc3339
from offer_cancellation.credential import Credentials
from offer_cancellation.errors import StorageError
from offer_cancellation.settings import load
from offer_cancellation.storage import SendQueue, queue_client
from tests.integration.harness import Harness

ACCOUNT = "devstoreaccount1"


@asynccontextmanager
async def _queue(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> AsyncIterator[SendQueue]:
    """A queue whose service answers as given."""
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", answer)
    async with serve(app) as url:
        storage = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey=a2V5;"
        given = load({"CANCEL_STORAGE": f"{storage}QueueEndpoint={url}/{ACCOUNT};"})
        async with queue_client(given, Credentials(), "a-queue") as client:
            yield SendQueue(client)


async def test_a_deleted_request_queue_is_made_again(harness: Harness) -> None:
    """Deleted under a warm process, the request queue is back after the next tick."""
    await harness.tick()
    await harness.requests.delete_queue()

    await harness.tick()

    assert 0 == (await harness.requests.get_queue_properties()).approximate_message_count


async def test_deleted_queues_are_made_when_something_is_sent(harness: Harness) -> None:
    """Deleted under a warm process, outcome and rejected queue are back when they are needed."""
    for _ in range(2):
        await harness.services.rejected.keep("a text")
        await harness.services.requests.send("a text")
        sent = len(await harness.rejected()), len(await harness.waiting())
        assert (1, 1) == sent
        await harness.requests.delete_queue()
        await harness.around.queues.delete_queue(f"requests-{harness.name}-rejected")


@pytest.mark.parametrize("code", ["QueueBeingDeleted", "Other", None])
async def test_a_queue_that_is_being_deleted_is_not_there(code: str | None) -> None:
    """A 409 counts as `there already` only when it says so."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=409, headers={"x-ms-error-code": code} if code else {})

    async with _queue(answer) as queue:
        with pytest.raises(StorageError) as caught:
            await queue.ensure()

    assert 409 == caught.value.status


async def test_an_answer_that_trickles_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then keeps a connection alive for ever: the call ends all the same."""
    monkeypatch.setattr(storage_call, "CALL_SECONDS", 0.3)

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=201, headers={"Content-Length": "100000"})
        await response.prepare(request)
        for _ in range(1000):
            await response.write(b" ")
            await asyncio.sleep(0.01)
        return response

    async with _queue(answer) as queue, asyncio.timeout(5):
        with pytest.raises(StorageError, match="TimeoutError"):
            await queue.send("a text")


async def test_a_redirect_is_not_followed() -> None:
    """What is signed for the account goes nowhere else."""
    paths: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        paths.append(request.path)
        raise web.HTTPFound("/elsewhere")

    async with _queue(answer) as queue:
        with pytest.raises(StorageError):
            await queue.depth()

    assert "/elsewhere" not in paths


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"Attempts": EntityProperty(1, EdmType.INT64)}, id="Int64"),
        pytest.param({"Attempts": 1.0}, id="Double"),
        pytest.param({"Attempts": "1"}, id="String"),
        pytest.param({"Attempts": b"1"}, id="Binary"),
        pytest.param({"Uncertain": "False"}, id="a Boolean as String"),
        pytest.param({"Uncertain": 0}, id="a Boolean as Int32"),
        pytest.param({"Status": b"deferred"}, id="the status as Binary"),
        pytest.param({"Version": EntityProperty(1, EdmType.INT64)}, id="the version"),
        pytest.param({"CorrelationId": UUID(int=7)}, id="a text as Guid"),
        pytest.param({"CorrelationId": 7.5}, id="a text as Double"),
        pytest.param({"CorrelationId": True}, id="a text as Boolean"),
    ],
)
async def test_a_row_saved_by_a_tool_ends(harness: Harness, columns: dict[str, Any]) -> None:
    """A column of another type in the real table changes nothing: the request goes on, and ends."""
    harness.script(cancel=[Answer(503), Answer(200)], submissions=[Answer(200, [])])
    await harness.submit()
    await harness.edit(**columns)

    for _ in range(2):
        await harness.tick_after(600)
        await harness.deliver()

    await harness.ends("canceled")


@pytest.mark.parametrize("column", ["NextTryAt", "DueAt", "Deadline", "RequestedAt"])
@pytest.mark.parametrize("is_naive", [True, False], ids=["naive", "with offset"])
async def test_times_saved_as_text(harness: Harness, column: str, is_naive: bool) -> None:
    """A time that a tool saved as text, in UTC as the table shows it, is that time."""
    harness.script(cancel=[Answer(503), Answer(200)], submissions=[Answer(200, [])])
    await harness.submit()
    text = rfc3339((await harness.record())[column])
    await harness.edit(**{column: text.removesuffix("Z") if is_naive else text})

    for _ in range(2):
        await harness.tick_after(600)
        await harness.deliver()

    await harness.ends("canceled")


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"Attempts": EntityProperty(2**40, EdmType.INT64)}, id="huge"),
        pytest.param({"Attempts": float("nan")}, id="not a number"),
        pytest.param({"Deferrals": float("inf")}, id="infinite"),
    ],
)
async def test_a_broken_row_harms_no_other(harness: Harness, columns: dict[str, Any]) -> None:
    """A row that holds what no record can is reported; the rest of its partition goes on."""
    harness.script(cancel=[Answer(503), Answer(200)], submissions=[Answer(200, [])])
    await harness.submit()
    await harness.submit(requestId="r-2")
    await harness.edit(**columns)

    for _ in range(3):
        await harness.tick_after(600)
        await harness.deliver()

    assert "canceled" == (await harness.record("r-2"))["Status"]
    assert "deferred" == (await harness.record())["Status"]
