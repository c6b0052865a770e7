"""The queue trigger on a real queue service: what becomes of a message."""

import asyncio
import base64
from dataclasses import replace
from datetime import timedelta

import azure.functions as func
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue.aio import QueueClient

from tests.local.hosting import OPTIONS, length, peek, serve_until


async def test_a_message_that_was_handled_is_deleted(
    storage: str, queue_name: str, queue: QueueClient
) -> None:
    """The function gets text and metadata as they are, and the queue is empty afterwards."""
    sent = await queue.send_message('plain <text> "as is"')
    seen: list[func.QueueMessage] = []

    async def work(message: func.QueueMessage) -> None:
        seen.append(message)

    async def gone() -> bool:
        return await length(queue) == 0

    await serve_until(storage, queue_name, work, until=gone)

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
        return await length(queue) == 0

    await serve_until(storage, queue_name, work, until=gone)

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
    await serve_until(storage, queue_name, work, until=twice, options=options)

    # The service keeps time in whole seconds.
    assert times[1] - times[0] >= 1.0
    assert await length(queue) == 0


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
        return await length(queue) == 0

    options = replace(OPTIONS, message_encoding="base64")
    await serve_until(storage, queue_name, work, until=gone, options=options)

    assert bodies == [b"good"]
    assert await peek(poison) == ["not base64!"]


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
        return await length(queue) == 0

    await serve_until(storage, queue_name, work, until=gone, lease_seconds=2)

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

    await serve_until(storage, queue_name, work, until=called)

    assert seen == [("mine", 9)]


async def test_a_missing_queue_is_created(storage: str, queue_name: str) -> None:
    """The trigger's queue need not exist beforehand."""

    async def work(_message: func.QueueMessage) -> None:
        raise AssertionError("nothing was sent")

    async with QueueClient.from_connection_string(storage, queue_name) as queue:

        async def exists() -> bool:
            try:
                await length(queue)
            except ResourceNotFoundError:
                return False
            return True

        await serve_until(storage, queue_name, work, until=exists)
