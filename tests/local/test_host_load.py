"""The queue trigger under load, after crashes, and when it is stopped."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import azure.functions as func
from azure.storage.queue.aio import QueueClient

from tests.local.hosting import OPTIONS, length, peek, serve_until


async def test_batches_are_fetched_down_to_the_threshold(
    storage: str, queue_name: str, queue: QueueClient
) -> None:
    """A batch of 3 is in flight; the next is fetched when 1 is left: 4 at once, and never more."""
    for number in range(12):
        await queue.send_message(str(number))
    gates: list[asyncio.Event] = []
    running: list[int] = [0]
    opened = 0

    async def work(_message: func.QueueMessage) -> None:
        gate = asyncio.Event()
        gates.append(gate)
        running.append(running[-1] + 1)
        await gate.wait()
        running.append(running[-1] - 1)

    async def all_done() -> bool:
        """Opens a gate when no fetch is to come, after the time that a wrong one would take."""
        nonlocal opened
        if opened < len(gates) and (len(gates) - opened > 1 or len(gates) == 12):
            await asyncio.sleep(0.1)
            gates[opened].set()
            opened += 1
        return opened == 12 and running[-1] == 0

    options = replace(OPTIONS, batch_size=3, new_batch_threshold=1)
    await serve_until(storage, queue_name, work, until=all_done, options=options)

    assert running[:8] == [0, 1, 2, 3, 2, 1, 2, 3]
    assert max(running) == 4
    assert len(gates) == 12


async def test_a_message_whose_hosts_died_too_often_is_given_up_uncalled(
    storage: str, queue_name: str, queue: QueueClient, poison: QueueClient
) -> None:
    """Received more often than maxDequeueCount without an end: to the poison queue, uncalled."""
    await queue.send_message("deadly")
    for _ in range(OPTIONS.max_dequeue_count):
        (message,) = [message async for message in queue.receive_messages()]
        await queue.update_message(message, visibility_timeout=0)
    calls = 0

    async def work(_message: func.QueueMessage) -> None:
        nonlocal calls
        calls += 1

    async def gone() -> bool:
        return await length(queue) == 0

    await serve_until(storage, queue_name, work, until=gone)

    assert calls == 0
    assert await peek(poison) == ["deadly"]


async def test_after_the_last_try_a_message_is_given_up_at_once(
    storage: str, queue_name: str, queue: QueueClient, poison: QueueClient
) -> None:
    """It does not wait for another visibilityTimeout, only to be given up uncalled."""
    await queue.send_message("bad")

    async def work(_message: func.QueueMessage) -> None:
        raise RuntimeError("boom")

    async def gone() -> bool:
        return await length(queue) == 0

    options = replace(OPTIONS, max_dequeue_count=1, visibility_timeout=timedelta(minutes=10))
    await serve_until(storage, queue_name, work, until=gone, options=options)

    assert await peek(poison) == ["bad"]


async def test_a_message_with_undecodable_metadata_is_tried_and_given_up_uncalled(
    storage: str, queue_name: str, queue: QueueClient, poison: QueueClient
) -> None:
    """Its own `dequeueCount` hides the queue's and is no number: no try ever gets to the app."""
    text = '{"dequeueCount": "many"}'
    await queue.send_message(text)
    calls = 0

    async def work(_message: func.QueueMessage) -> None:
        nonlocal calls
        calls += 1

    async def gone() -> bool:
        return await length(queue) == 0

    await serve_until(storage, queue_name, work, until=gone)

    assert calls == 0
    assert await peek(poison) == [text]


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

    await serve_until(storage, queue_name, work, until=under_way)

    assert finished
    assert await length(queue) == 0


async def test_stopping_gives_up_on_what_takes_too_long(
    storage: str, queue_name: str, queue: QueueClient
) -> None:
    """After the drain time a function is cancelled; its message stays, for the next host."""
    await queue.send_message("endless")
    started = asyncio.Event()
    cancelled = False

    async def work(_message: func.QueueMessage) -> None:
        nonlocal cancelled
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled = True
            raise

    async def under_way() -> bool:
        return started.is_set()

    await serve_until(storage, queue_name, work, until=under_way, drain_seconds=0.1)

    assert cancelled
    assert await length(queue) == 1
