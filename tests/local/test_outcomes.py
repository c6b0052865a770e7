"""What the stack shows of outcomes, while a consumer may be reading them."""

import base64
import json
from collections.abc import Iterable

from azure.storage.queue.aio import QueueClient

from local.outcomes import peek_outcomes


async def _send(queue: QueueClient, numbers: Iterable[int]) -> None:
    for number in numbers:
        await queue.send_message(base64.b64encode(json.dumps({"id": number}).encode()).decode())


async def test_outcomes_stay_for_a_consumer(queue: QueueClient) -> None:
    """Looking at them takes none away."""
    await _send(queue, range(3))

    first, second = await peek_outcomes(queue), await peek_outcomes(queue)

    assert [{"id": 0}, {"id": 1}, {"id": 2}] == first == second


async def test_a_queue_that_nobody_reads_shows_its_newest_outcomes(queue: QueueClient) -> None:
    """More than a page can show come into view all the same: what was seen makes room."""
    await _send(queue, range(70))

    seen = [event["id"] for _ in range(6) for event in await peek_outcomes(queue)]

    assert set(range(70)) == set(seen)


async def test_no_queue_is_no_outcome(storage: str, queue_name: str) -> None:
    """Before the app has made the queue there is nothing to show."""
    async with QueueClient.from_connection_string(storage, queue_name) as queue:
        assert [] == await peek_outcomes(queue)
