"""Two timers at once, as during a hand-over between two hosts."""

import asyncio

from simulation.faults import Fault


class Timers(Fault):
    """A second machine ticks, too, for a while."""

    name = "two timers"
    share = 0.3

    async def run(self) -> None:
        """Ticks beside the timer."""
        await asyncio.sleep(self.chance.uniform(0, self.world.plan.faults_end / 2))
        machine = self.chance.choice(self.world.machines)
        self.world.note("world", f"{machine.name} ticks beside the timer")
        await self.world.timer.tick_beside(machine, self.chance.randint(2, 8))
