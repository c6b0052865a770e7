"""A host with one queue-triggered function, run by a test for as long as it takes."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import azure.functions as func
from azure.storage.queue.aio import QueueClient

from local.host.host import Host
from local.host.host_json import HostJson, QueueOptions

OPTIONS = QueueOptions(
    max_polling_interval=timedelta(milliseconds=100),
    max_dequeue_count=2,
    message_encoding="none",
)

Work = Callable[[func.QueueMessage], Awaitable[None]]


def _app(queue_name: str, work: Work) -> func.FunctionApp:
    app = func.FunctionApp()

    @app.function_name("work")
    @app.queue_trigger(arg_name="message", queue_name=queue_name, connection="STORAGE")
    async def run(message: func.QueueMessage) -> None:
        await work(message)

    return app


async def serve_until(
    storage: str,
    queue_name: str,
    work: Work,
    *,
    until: Callable[[], Awaitable[bool]],
    options: QueueOptions = OPTIONS,
    lease_seconds: float = 60.0,
    drain_seconds: float = 5.0,
) -> None:
    """Run a host until the condition holds; then it drains and ends."""
    stop = asyncio.Event()
    host = Host(
        _app(queue_name, work),
        HostJson(options),
        {"STORAGE": storage},
        lease_seconds=lease_seconds,
        drain_seconds=drain_seconds,
    )
    running = asyncio.create_task(host.run(stop))
    try:
        async with asyncio.timeout(15):
            while not await until():
                assert not running.done()
                await asyncio.sleep(0.02)
    finally:
        stop.set()
        await running


async def length(queue: QueueClient) -> int:
    """How many messages a queue holds, hidden ones too."""
    return (await queue.get_queue_properties()).approximate_message_count or 0


async def peek(queue: QueueClient) -> list[str]:
    """The texts of the visible messages."""
    return [message.content for message in await queue.peek_messages(32)]
