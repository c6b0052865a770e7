"""The queue trigger on a real queue service: what becomes of a message."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import azure.functions as func
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue.aio import QueueClient

from local.host import Host
from local.host_json import HostJson, QueueOptions

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


async def _host(
    storage: str,
    queue_name: str,
    work: Work,
    *,
    until: Callable[[], Awaitable[bool]],
    options: QueueOptions = OPTIONS,
    lease_seconds: float = 60.0,
) -> None:
    """Run a host until the condition holds; then it drains and ends."""
    stop = asyncio.Event()
    host = Host(
        _app(queue_name, work),
        HostJson(options),
        {"STORAGE": storage},
        lease_seconds=lease_seconds,
        drain_seconds=5,
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


async def _length(queue: QueueClient) -> int:
    return (await queue.get_queue_properties()).approximate_message_count or 0


async def _peek(queue: QueueClient) -> list[str]:
    return [message.content for message in await queue.peek_messages(32)]


async def test_a_message_that_was_handled_is_deleted(
    storage: str, queue_name: str, queue: QueueClient
) -> None:
    """The function gets text and metadata as they are, and the queue is empty afterwards."""
    sent = await queue.send_message('plain <text> "as is"')
    seen: list[func.QueueMessage] = []

    async def work(message: func.QueueMessage) -> None:
        seen.append(message)

    async def gone() -> bool:
        return await _length(queue) == 0

    await _host(storage, queue_name, work, until=gone)

    (message,) = seen
    assert message.get_body().decode() == 'plain <text> "as is"'
    assert sent.id == message.id
    assert message.dequeue_count == 1
    assert sent.inserted_on == message.insertion_time


async def test_a_message_that_fails_too_often_goes_to_the_poison_queue(
    storage: str, queue_name: str, queue: QueueClient, poison: QueueClient
) -> None:
    """After maxDequeueCount deliveries the text lies, unchanged and for ever, in <queue>-poison."""
    await queue.send_message("{bad}")
    counts: list[int | None] = []

    async def work(message: func.QueueMessage) -> None:
        counts.append(message.dequeue_count)
        raise RuntimeError("boom")

    async def gone() -> bool:
        return await _length(queue) == 0

    await _host(storage, queue_name, work, until=gone)

    (kept,) = await poison.peek_messages()
    assert counts == [1, 2]
    assert kept.content == "{bad}"
    assert kept.expires_on is not None
    assert kept.expires_on.year > 9000


async def test_a_message_that_failed_stays_hidden_for_the_visibility_timeout(
    storage: str, queue_name: str, queue: QueueClient
) -> None:
    """The second delivery comes visibilityTimeout after the first failed, not at once."""
    await queue.send_message("again")
    times: list[float] = []

    async def work(_message: func.QueueMessage) -> None:
        times.append(asyncio.get_running_loop().time())
        if len(times) == 1:
            raise RuntimeError("boom")

    async def twice() -> bool:
        return len(times) == 2

    options = replace(OPTIONS, visibility_timeout=timedelta(seconds=2))
    await _host(storage, queue_name, work, until=twice, options=options)

    # The service keeps time in whole seconds.
    assert times[1] - times[0] >= 1.0
    assert await _length(queue) == 0


async def test_base64_reaches_the_function_decoded(
    storage: str, queue_name: str, queue: QueueClient, poison: QueueClient
) -> None:
    """With base64 the text is decoded; what is none goes to the poison queue, uncalled."""
    await queue.send_message("not base64!")
    await queue.send_message(base64.b64encode(b"good").decode())
    bodies: list[bytes] = []

    async def work(message: func.QueueMessage) -> None:
        bodies.append(message.get_body())

    async def gone() -> bool:
        return await _length(queue) == 0

    options = replace(OPTIONS, message_encoding="base64")
    await _host(storage, queue_name, work, until=gone, options=options)

    assert bodies == [b"good"]
    assert await _peek(poison) == ["not base64!"]


async def test_no_more_than_batch_and_threshold_are_in_flight(
    storage: str, queue_name: str, queue: QueueClient
) -> None:
    """Concurrency is bounded by batchSize + newBatchThreshold, and everything is worked on."""
    for number in range(12):
        await queue.send_message(str(number))
    done: list[str] = []
    running = highest = 0

    async def work(message: func.QueueMessage) -> None:
        nonlocal running, highest
        running += 1
        highest = max(highest, running)
        await asyncio.sleep(0.05)
        running -= 1
        done.append(message.get_body().decode())

    async def all_done() -> bool:
        return len(done) == 12

    options = replace(OPTIONS, batch_size=3, new_batch_threshold=1)
    await _host(storage, queue_name, work, until=all_done, options=options)

    assert len(set(done)) == 12
    assert highest <= 4


async def test_a_long_run_keeps_its_message_hidden(
    storage: str, queue_name: str, queue: QueueClient
) -> None:
    """While a function runs, its message's visibility is renewed: nobody else gets it."""
    await queue.send_message("long")
    calls = 0

    async def work(_message: func.QueueMessage) -> None:
        nonlocal calls
        calls += 1
        await asyncio.sleep(3.5)

    async def gone() -> bool:
        return await _length(queue) == 0

    await _host(storage, queue_name, work, until=gone, lease_seconds=2)

    assert calls == 1


async def test_json_properties_hide_metadata_of_the_same_name(
    storage: str, queue_name: str, queue: QueueClient
) -> None:
    """As on the real host, a plain JSON message's own `id` is what the function sees."""
    await queue.send_message('{"id": "mine", "dequeueCount": 9}')
    seen: list[tuple[str | None, int | None]] = []

    async def work(message: func.QueueMessage) -> None:
        seen.append((message.id, message.dequeue_count))

    async def called() -> bool:
        return bool(seen)

    await _host(storage, queue_name, work, until=called)

    assert seen == [("mine", 9)]


async def test_stopping_lets_a_running_function_finish(
    storage: str, queue_name: str, queue: QueueClient
) -> None:
    """What is in flight when the host stops is finished and deleted, not dropped."""
    await queue.send_message("slow")
    started = asyncio.Event()
    finished = False

    async def work(_message: func.QueueMessage) -> None:
        nonlocal finished
        started.set()
        await asyncio.sleep(0.3)
        finished = True

    async def under_way() -> bool:
        return started.is_set()

    await _host(storage, queue_name, work, until=under_way)

    assert finished
    assert await _length(queue) == 0


async def test_a_missing_queue_is_created(storage: str, queue_name: str) -> None:
    """The trigger's queue need not exist beforehand."""

    async def work(_message: func.QueueMessage) -> None:
        raise AssertionError("nothing was sent")

    async with QueueClient.from_connection_string(storage, queue_name) as queue:

        async def exists() -> bool:
            try:
                await _length(queue)
            except ResourceNotFoundError:
                return False
            return True

        await _host(storage, queue_name, work, until=exists)
