"""Messages that no worker can be given: their deliveries fail until the host gives them up."""

import asyncio

from simulation.app import REQUESTS
from simulation.faults import Fault

_FAILED = 5  # deliveries, after which the host does not try again


class GivenUp(Fault):
    """Whatever the reason: a worker that cannot convert them, or that dies of them."""

    name = "given up messages"
    share = 0.35

    async def run(self) -> None:
        """Now and then a waiting message has had its last delivery."""
        while not self.world.is_calm:
            await asyncio.sleep(self.chance.uniform(0, 30))
            messages = self.world.queues.messages(REQUESTS)
            waiting = [m for m in messages if m.dequeue_count < _FAILED]
            if waiting:
                message = self.chance.choice(waiting)
                message.dequeue_count = _FAILED
                self.world.note(
                    "world", "its deliveries have failed", self.world.about(message.text)
                )
