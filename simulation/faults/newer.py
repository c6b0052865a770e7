"""Something new that runs for an offer: begun by others, after this request's first attempt."""

import asyncio

from simulation.faults import Fault


class Newer(Fault):
    """Which a second POST must not cancel."""

    name = "newer operations"
    share = 0.15

    async def run(self) -> None:
        """Begins something once what ran has ended."""
        await asyncio.sleep(self.chance.uniform(10, self.world.plan.faults_end))
        for offer in self.world.api.offers.values():
            if offer.running(self.world.now()) is None:
                self.world.api.begin_another(offer)
                self.world.note("world", "something new runs", offer.name)
                self.world.count("something new runs")
