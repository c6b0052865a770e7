"""Deliveries that come twice: a message that is shown again while it is being worked on."""

import asyncio

from simulation.app import REQUESTS
from simulation.faults import Fault


class Duplicates(Fault):
    """A queue promises at least once, not exactly once."""

    name = "duplicates"
    share = 0.25

    async def run(self) -> None:
        """Shows a hidden message now and then."""
        while not self.world.is_calm:
            await asyncio.sleep(self.chance.uniform(1, 60))
            now = self.world.now()
            hidden = [m for m in self.world.queues.messages(REQUESTS) if m.visible_at > now]
            if hidden:
                message = self.chance.choice(hidden)
                message.visible_at = now
                self.world.queues.was_moved(REQUESTS, message)
                self.world.note("world", "shows its message again", self.world.about(message.text))
                self.world.count("a message delivered twice")
