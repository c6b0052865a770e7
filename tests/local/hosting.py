"""A queue listener with a function of the test's own, or a whole host with an app in its worker."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import azure.functions as func
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from local.host.function import UserFunction
from local.host.host_json import QueueOptions
from local.host.queue import QueueListener, Timing
from local.stack import ROOT

OPTIONS = QueueOptions(
    max_polling_interval=timedelta(milliseconds=100),
    max_dequeue_count=2,
    message_encoding="none",
)
TIMING = Timing(lease=60.0, stop=5.0, outage=5.0)
PATIENCE_SECONDS = 30

Work = Callable[[func.QueueMessage], Awaitable[None]]
Condition = Callable[[], Awaitable[bool]]

# Notes in the file `seen` what it is called with, and does what the text says.
APP = """
import asyncio, os, time
import azure.functions as func

app = func.FunctionApp()


def note(*words):
    with open("seen", "a") as seen:
        print(*words, file=seen)


@app.function_name("work")
@app.queue_trigger(arg_name="message", queue_name=os.environ["QUEUE"], connection="STORAGE")
async def work(message: func.QueueMessage) -> None:
    text = message.get_body().decode()
    note("began", text, message.dequeue_count)
    is_first = message.dequeue_count == 1
    try:
        if text == "die" or (text == "die once" and is_first):
            os._exit(1)
        if text == "block" and is_first:
            time.sleep(3600)
        if text == "wait":
            while not os.path.exists("go"):
                await asyncio.sleep(0.02)
        elif text.endswith("forever") or (is_first and text != "good"):
            await asyncio.Event().wait()
    except BaseException:
        note("interrupted", text)
        raise
    note("done", text)
"""


async def until(condition: Condition) -> None:
    """Wait until it holds; what is waited for happens elsewhere and sets no event."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await condition():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.02)


@asynccontextmanager
async def listening(
    storage: str,
    queue_name: str,
    work: Work,
    *,
    options: QueueOptions = OPTIONS,
    timing: Timing = TIMING,
) -> AsyncIterator[asyncio.Task[None]]:
    """Listen to a queue while the block lasts; then the listener is stopped as a host would be.

    How a listener ended that ended by itself is for the block to ask.
    """

    async def call(message: func.QueueMessage) -> None:
        await work(message)

    stop = asyncio.Event()
    async with QueueServiceClient.from_connection_string(storage, retry_total=0) as service:
        listener = QueueListener(
            UserFunction("work", "message", call),
            service.get_queue_client(queue_name),
            service.get_queue_client(f"{queue_name}-poison"),
            options,
            timing,
        )
        running = asyncio.create_task(listener.run(stop))
        try:
            yield running
        finally:
            stop.set()
            if not running.done():
                await running


async def serve_until(
    storage: str,
    queue_name: str,
    work: Work,
    *,
    until: Condition,
    options: QueueOptions = OPTIONS,
    timing: Timing = TIMING,
) -> None:
    """Listen until the condition holds; then what runs may finish."""
    async with (
        listening(storage, queue_name, work, options=options, timing=timing) as running,
        asyncio.timeout(PATIENCE_SECONDS),
    ):
        while not await until():
            assert not running.done()
            await asyncio.sleep(0.02)


async def length(queue: QueueClient) -> int:
    """How many messages a queue holds, hidden ones too."""
    return (await queue.get_queue_properties()).approximate_message_count or 0


async def peek(queue: QueueClient) -> list[str]:
    """The texts of the visible messages."""
    return [message.content for message in await queue.peek_messages(32)]


def write_app(directory: Path, host_json: str) -> None:
    """Put the app that notes its calls into a directory."""
    (directory / "function_app.py").write_text(APP)
    (directory / "host.json").write_text(host_json)


def app_environment(storage: str, queue_name: str) -> dict[str, str]:
    """What the host and its worker need to run that app."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "STORAGE": storage, "QUEUE": queue_name}


def seen(directory: Path) -> list[str]:
    """What the app has noted so far."""
    path = directory / "seen"
    return path.read_text().splitlines() if path.exists() else []
