"""The queue trigger under load, after crashes, and when it is stopped."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import azure.functions as func
from azure.storage.queue.aio import QueueClient

from local.host.host_json import HostJson
from local.stack import ROOT
from tests.local.hosting import (
    OPTIONS,
    TIMING,
    length,
    listening,
    peek,
    serve_until,
    until,
)


async def test_batches_are_fetched_down_to_the_threshold(
    storage: str, queue_name: str, queue: QueueClient
) -> None:
    """A batch of 3 is in flight; the next is fetched when 1 is left: 4 at once, and never more."""
    for number in range(12):
        await queue.send_message(str(number))

    gates: list[asyncio.Event] = []
    running: list[int] = [0]

    async def work(_message: func.QueueMessage) -> None:
        gate = asyncio.Event()
        gates.append(gate)
        running.append(running[-1] + 1)
        await gate.wait()
        running.append(running[-1] - 1)

    async def started(calls: int) -> None:
        async def so_many() -> bool:
            return len(gates) >= calls

        await until(so_many)

    async def left(messages: int) -> None:
        async def so_few() -> bool:
            return await length(queue) <= messages

        await until(so_few)
        # A wrong fetch would have been sent by now: these requests are answered after it.
        for _ in range(3):
            await length(queue)

    options = replace(OPTIONS, batch_size=3, new_batch_threshold=1)
    async with listening(storage, queue_name, work, options=options):
        for opened in range(12):
            await started(min(12, 3 + (opened + 1) // 3 * 3))
            gates[opened].set()
            await left(11 - opened)

    assert [0, 1, 2, 3, 2, 1, 2, 3] == running[:8]
    assert 4 == max(running)
    assert 12 == len(gates)


def test_the_apps_own_limits_make_24_at_once() -> None:
    """16 are fetched when 8 are left."""
    queues = HostJson.load(ROOT / "host.json").queues

    assert 24 == queues.batch_size + queues.new_batch_threshold


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

    assert 0 == calls
    assert ["deadly"] == await peek(poison)


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

    assert ["bad"] == await peek(poison)


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

    assert 0 == calls
    assert [text] == await peek(poison)


async def test_stopping_lets_a_running_function_finish(
    storage: str, queue_name: str, queue: QueueClient
) -> None:
    """What is in flight when the host stops is finished and deleted, not dropped."""
    await queue.send_message("slow")
    started, finish = asyncio.Event(), asyncio.Event()

    async def work(_message: func.QueueMessage) -> None:
        started.set()
        await finish.wait()

    async with listening(storage, queue_name, work) as running:
        await started.wait()
        asyncio.get_running_loop().call_soon(finish.set)

    assert running.done()
    assert 0 == await length(queue)


async def test_while_it_stops_it_goes_on_fetching(
    storage: str, queue_name: str, queue: QueueClient
) -> None:
    """A message that comes while an earlier one is still worked on is delivered and handled."""
    started, finish, fetched = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work(message: func.QueueMessage) -> None:
        if message.get_body() == b"late":
            fetched.set()
            return

        started.set()
        await finish.wait()

    async def send_when_stopping() -> None:
        await queue.send_message("late")
        await fetched.wait()
        finish.set()

    await queue.send_message("slow")
    timing = replace(TIMING, stop=30.0)
    async with listening(storage, queue_name, work, timing=timing):
        await started.wait()
        # It runs when the block has been left, and the listener with it.
        sending = asyncio.create_task(send_when_stopping())

    await sending
    assert 0 == await length(queue)


async def test_stopping_cuts_what_takes_too_long(
    storage: str, queue_name: str, queue: QueueClient
) -> None:
    """After its time the listener is gone; the message stays, hidden for the rest of its lease."""
    await queue.send_message("endless")
    started = asyncio.Event()

    async def work(_message: func.QueueMessage) -> None:
        started.set()
        await asyncio.Event().wait()

    timing = replace(TIMING, stop=0.1)
    async with listening(storage, queue_name, work, timing=timing):
        await started.wait()

    assert 1 == await length(queue)
    assert [] == await peek(queue)
