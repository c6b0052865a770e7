"""The queue trigger on a real queue service: what becomes of a message."""

import asyncio
import base64
import logging
from dataclasses import replace
from datetime import timedelta

import azure.functions as func
import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue.aio import QueueClient

from local.host.message import kept_hidden
from tests.local.hosting import OPTIONS, TIMING, length, listening, peek, serve_until, until


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
    assert 'plain <text> "as is"' == message.get_body().decode()
    assert sent.id == message.id
    assert 1 == message.dequeue_count
    assert sent.inserted_on == message.insertion_time


async def test_a_message_that_fails_too_often_goes_to_the_poison_queue(
    storage: str, queue_name: str, queue: QueueClient, poison: QueueClient
) -> None:
    """After maxDequeueCount deliveries the text lies in <queue>-poison, unchanged, for 7 days."""
    sent = await queue.send_message("{bad} <é>")
    counts: list[int | None] = []

    async def work(message: func.QueueMessage) -> None:
        counts.append(message.dequeue_count)
        raise RuntimeError("boom")

    async def gone() -> bool:
        return await length(queue) == 0

    await serve_until(storage, queue_name, work, until=gone)

    (kept,) = await poison.peek_messages()
    assert [1, 2] == counts
    assert "{bad} <é>" == kept.content
    assert sent.id != kept.id
    assert kept.expires_on is not None
    assert kept.inserted_on is not None
    assert timedelta(days=7) == kept.expires_on - kept.inserted_on


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
    assert 0 == await length(queue)


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

    assert [b"good"] == bodies
    assert ["not base64!"] == await peek(poison)


async def test_a_long_run_keeps_its_message_hidden(
    storage: str, queue_name: str, queue: QueueClient, caplog: pytest.LogCaptureFixture
) -> None:
    """While a function runs, its message is hidden anew at half time, and again."""
    caplog.set_level(logging.DEBUG, "local.host")
    await queue.send_message("long")

    def renewals() -> int:
        return caplog.messages.count("queue.renewed")

    async def renewed_twice() -> bool:
        return renewals() >= 2

    async def work(_message: func.QueueMessage) -> None:
        await until(renewed_twice)

    async def gone() -> bool:
        return await length(queue) == 0

    timing = replace(TIMING, lease=2.0)
    await serve_until(storage, queue_name, work, until=gone, timing=timing)

    assert renewals() >= 2


async def test_the_latest_receipt_is_good_after_renewals(queue: QueueClient) -> None:
    """Each renewal changes the receipt; the message can be deleted with the last one."""
    await queue.send_message("long")
    (message,) = [one async for one in queue.receive_messages(visibility_timeout=2)]
    receipts = {message.pop_receipt}

    async def renewed_twice() -> bool:
        receipts.add(message.pop_receipt)
        return len(receipts) == 3

    async with kept_hidden(queue, message, 2):
        await until(renewed_twice)

    await queue.delete_message(message.id, message.pop_receipt)
    assert 0 == await length(queue)


async def test_json_properties_replace_metadata_of_the_same_name(
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

    assert [("mine", 9)] == seen


async def test_a_missing_queue_is_waited_for_and_not_made(
    storage: str, queue_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The trigger's queue is the app's to make; once it is there, its messages are delivered."""
    caplog.set_level(logging.DEBUG, "local.host")
    bodies: list[bytes] = []

    async def work(message: func.QueueMessage) -> None:
        bodies.append(message.get_body())

    async def missed_often() -> bool:
        return caplog.messages.count("queue.missing") >= 3

    async def delivered() -> bool:
        return bool(bodies)

    async with (
        QueueClient.from_connection_string(storage, queue_name) as queue,
        listening(storage, queue_name, work),
    ):
        await until(missed_often)
        with pytest.raises(ResourceNotFoundError):
            await length(queue)

        await queue.create_queue()
        await queue.send_message("at last")
        await until(delivered)

    assert [b"at last"] == bodies
