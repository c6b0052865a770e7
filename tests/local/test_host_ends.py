"""What ends the worker, and what ends the host: time-outs, crashes, stops, a lost storage."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import azure.functions as func
import pytest
from aiohttp import web
from azure.storage.queue.aio import QueueClient

from local.azurite import ACCOUNT
from local.host.host import Host
from local.host.host_json import HostJson
from local.host.queue import StorageLostError
from local.host.worker_process import WorkerGivenUpError
from local.process import ChildProcess
from local.server import Server
from tests.local.hosting import (
    TIMING,
    Condition,
    app_environment,
    length,
    listening,
    peek,
    seen,
    until,
    write_app,
)

HOST_JSON = """
{"version": "2.0", "functionTimeout": "00:00:0%d", "extensions": {"queues": {
 "messageEncoding": "none", "maxPollingInterval": "00:00:00.1"}}}
"""
REFUSAL = """<?xml version="1.0" encoding="utf-8"?>
<Error><Code>AuthorizationFailure</Code><Message>Not allowed.</Message></Error>
"""
MESSAGE = """<?xml version="1.0" encoding="utf-8"?>
<QueueMessagesList><QueueMessage><MessageId>1</MessageId><PopReceipt>r</PopReceipt>
<InsertionTime>Mon, 02 Mar 2026 12:00:00 GMT</InsertionTime>
<ExpirationTime>Mon, 09 Mar 2026 12:00:00 GMT</ExpirationTime>
<TimeNextVisible>Mon, 02 Mar 2026 12:10:00 GMT</TimeNextVisible>
<DequeueCount>1</DequeueCount><MessageText>x</MessageText></QueueMessage></QueueMessagesList>
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A directory with the app that notes its calls, and its queue."""

    directory: Path
    environment: dict[str, str]
    queue: QueueClient

    @asynccontextmanager
    async def host(
        self, *, time_out_seconds: int = 9, stop_seconds: float = 5.0
    ) -> AsyncIterator[asyncio.Task[None]]:
        """A host while the block lasts; then it is stopped, unless it ended by itself."""
        write_app(self.directory, HOST_JSON % time_out_seconds)
        host_json = HostJson.load(self.directory / "host.json")
        timing = replace(TIMING, stop=stop_seconds)
        stop = asyncio.Event()
        running = asyncio.create_task(Host(host_json, self.environment, timing=timing).run(stop))
        try:
            yield running
        finally:
            stop.set()
            if not running.done():
                await running

    async def noted(self, *lines: str) -> None:
        """Wait until the app has noted all these."""

        async def are_seen() -> bool:
            return set(lines) <= set(seen(self.directory))

        await until(are_seen)


@pytest.fixture
def place(
    storage: str,
    queue_name: str,
    queue: QueueClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Place:
    """It is the current directory, and what a host's worker inherits."""
    environment = app_environment(storage, queue_name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    monkeypatch.chdir(tmp_path)
    return Place(tmp_path, environment, queue)


@pytest.mark.parametrize("text", ["endless", "block"])
async def test_a_time_out_takes_the_worker_and_all_that_is_in_it(place: Place, text: str) -> None:
    """Nothing in it is told; a bystander fails with it, and both are delivered again."""
    async with place.host(time_out_seconds=5):
        await place.queue.send_message("bystander")
        await place.noted("began bystander 1")
        await place.queue.send_message(text)
        await place.noted("done bystander", f"done {text}")

    noted = seen(place.directory)
    assert {"began bystander 2", f"began {text} 2"} <= set(noted)
    assert not [line for line in noted if line.startswith("interrupted")]


async def test_a_worker_that_dies_fails_what_is_in_it_and_is_started_again(place: Place) -> None:
    """Each message that was in it comes back with its count one higher; the next one is handled."""
    async with place.host() as running:
        await place.queue.send_message("bystander")
        await place.noted("began bystander 1")
        await place.queue.send_message("die once")
        await place.noted("began bystander 2", "done bystander", "done die once")
        await place.queue.send_message("good")
        await place.noted("done good")

        assert not running.done()


async def test_the_third_death_ends_the_host(place: Place) -> None:
    """What was in the worker has failed by then: it can be received at once by the next host."""
    async with place.host() as running:
        await place.queue.send_message("bystander forever")
        await place.queue.send_message("die")
        with pytest.raises(ExceptionGroup) as ended:
            await asyncio.wait_for(running, 60)

    assert ended.group_contains(WorkerGivenUpError)
    assert ["bystander forever", "die"] == sorted(await peek(place.queue))


def host_process(place: Place, **environment: str) -> ChildProcess:
    """`python -m local.host` for the app that notes its calls."""
    write_app(place.directory, HOST_JSON % 9)
    command = [sys.executable, "-m", "local.host", "--lease-seconds=60"]
    return ChildProcess(
        command, place.directory / "host.log", environment={**place.environment, **environment}
    )


async def test_a_host_without_a_worker_ends_with_exit_code_0(place: Place) -> None:
    """What runs it has to start it again; its log says why it ended."""
    await place.queue.send_message("die")
    host = host_process(place)
    host.start()
    try:
        code = await asyncio.wait_for(host.wait(), 60)
    finally:
        host.kill()

    log = host.log_path.read_text()
    assert 0 == code
    assert 3 == log.count("worker.died")
    assert "host.given_up" in log


async def test_a_host_without_its_storage_ends_with_exit_code_1(place: Place) -> None:
    """In one line of the log, without the address and its query."""
    async with fake_storage(lambda _method: _refusal()) as server:
        host = host_process(place, STORAGE=_connection_string(server))
        host.start()
        try:
            code = await asyncio.wait_for(host.wait(), 60)
        finally:
            host.kill()

        url = server.url

    log = host.log_path.read_text()
    assert 1 == code
    assert "host.storage_lost" in log
    assert not [text for text in (url, "Traceback") if text in log]


async def test_the_worker_of_a_killed_host_finishes_what_it_runs(place: Place) -> None:
    """It is orphaned, not cut; and the message stays where it was."""
    await place.queue.send_message("wait")
    host = host_process(place)
    host.start()
    try:
        await place.noted("began wait 1")
        os.kill(host.pid, signal.SIGKILL)
        await host.wait()
        (place.directory / "go").touch()
        await place.noted("done wait")
    finally:
        host.kill()

    assert ["began wait 1", "done wait"] == seen(place.directory)
    assert 1 == await length(place.queue)


async def test_a_stop_kills_what_takes_longer(place: Place) -> None:
    """Nothing in the worker is told; the message stays hidden for the rest of its lease."""
    async with place.host(stop_seconds=0.1):
        await place.queue.send_message("endless")
        await place.noted("began endless 1")

    assert ["began endless 1"] == seen(place.directory)
    assert (1, []) == (await length(place.queue), await peek(place.queue))


def _refusal() -> web.Response:
    return web.Response(status=403, text=REFUSAL, content_type="application/xml")


async def _nothing(_message: func.QueueMessage) -> None:
    return


def _connection_string(server: Server) -> str:
    return (
        f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey=a2V5;"
        f"QueueEndpoint={server.url}/{ACCOUNT};"
    )


@asynccontextmanager
async def fake_storage(answers: Callable[[str], web.Response]) -> AsyncIterator[Server]:
    """A queue service that answers by the method of the request."""

    async def handle(request: web.Request) -> web.Response:
        return answers(request.method)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    async with Server(app) as server:
        yield server


def _found(texts: Callable[[], list[str]], text: str) -> Condition:
    async def is_found() -> bool:
        return text in texts()

    return is_found


async def test_a_storage_that_is_refused_for_long_ends_the_host(
    queue_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is tried again and again first: only when nothing listens for long is it lost."""
    asked: list[str] = []

    def answer(method: str) -> web.Response:
        asked.append(method)
        return web.Response(text='<?xml version="1.0"?><QueueMessagesList />')

    async with (
        fake_storage(answer) as server,
        listening(
            _connection_string(server), queue_name, _nothing, timing=replace(TIMING, outage=4.0)
        ) as running,
    ):
        await until(_found(lambda: asked, "GET"))
        await server.close_port()
        await until(_found(lambda: caplog.messages, "queue.unavailable"))
        await server.open_port()
        asked.clear()
        await until(_found(lambda: asked, "GET"))
        assert not running.done()

        await server.close_port()
        with pytest.raises(StorageLostError, match=queue_name):
            await asyncio.wait_for(running, 30)


async def test_a_storage_that_refuses_the_host_ends_it_at_once(queue_name: str) -> None:
    """403: there is nothing to wait for."""
    asked: list[str] = []

    def answer(method: str) -> web.Response:
        asked.append(method)
        return _refusal()

    async with (
        fake_storage(answer) as server,
        listening(_connection_string(server), queue_name, _nothing) as running,
    ):
        with pytest.raises(StorageLostError, match=queue_name):
            await asyncio.wait_for(running, 30)

    assert ["GET"] == asked


async def test_an_ailing_storage_is_waited_for_unless_a_message_is_done_meanwhile(
    queue_name: str,
) -> None:
    """5xx keeps who only waits for messages; a message that cannot be deleted ends the host."""
    asked: list[str] = []
    is_message_there = False

    def answer(method: str) -> web.Response:
        asked.append(method)
        if method == "GET" and is_message_there:
            return web.Response(text=MESSAGE, content_type="application/xml")

        return web.Response(status=503)

    timing = replace(TIMING, outage=1.0)
    began = time.monotonic()

    async def is_longer_than_an_outage() -> bool:
        return time.monotonic() - began > timing.outage and len(asked) > 2

    async with (
        fake_storage(answer) as server,
        listening(_connection_string(server), queue_name, _nothing, timing=timing) as running,
    ):
        await until(is_longer_than_an_outage)
        assert not running.done()

        is_message_there = True
        with pytest.raises(StorageLostError, match=queue_name):
            await asyncio.wait_for(running, 30)

    assert "DELETE" in asked
