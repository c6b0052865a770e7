"""A queue that is cleared by hand, of the messages of requests that the ledger has."""

import asyncio

from simulation.app import REQUESTS
from simulation.faults import Fault


class Cleared(Fault):
    """Messages of requests without a record stay: nobody else would know of them."""

    name = "cleared queues"
    share = 0.2

    async def run(self) -> None:
        """Clears once or twice."""
        for _ in range(self.chance.choice([1, 2])):
            await asyncio.sleep(self.chance.uniform(0, self.world.plan.faults_end))
            if self.world.is_calm:
                return
            claimed = {r.request_id for r in self.world.ledger.records.values()}
            for message in self.world.queues.messages(REQUESTS):
                if self.world.request_id(message) in claimed:
                    self.world.queues.delete(REQUESTS, message.id, message.receipt)
                    self.world.note("a hand", "clears its message", self.world.about(message.text))
                    self.world.count("a message cleared")
