"""Processes that die: at any step, and above all around their calls."""

import asyncio
from random import Random
from typing import TYPE_CHECKING

from simulation.faults import Fault
from simulation.host import Machine
from simulation.network import Call, Fate

if TYPE_CHECKING:
    from simulation.world import World

_STEPS = 400  # callbacks after which a process dies, at most


class Crashes(Fault):
    """Workers alone, or with their host; at a call, or after so many callbacks."""

    name = "crashes"
    share = 0.5

    def __init__(self, world: "World", chance: Random) -> None:
        super().__init__(world, chance)
        self._share = chance.choice([0.003, 0.02, 0.06])
        self._left = chance.choice([1, 3, 8])

    async def run(self) -> None:
        """Chooses a step of a process at which it dies."""
        while not self.world.is_calm and self._left > 0:
            await asyncio.sleep(self.chance.expovariate(1 / 150))
            machine = self.chance.choice(self.world.machines)
            machine.worker.steps_left = self.chance.randint(1, _STEPS)
            machine.worker.at_last_step = lambda m=machine: self._kill(m)

    def decide(self, call: Call, fate: Fate) -> None:
        """Kills the sender before, during or after its call."""
        machine = self.world_machine(call)
        if machine is None or self._left <= 0 or self.chance.random() >= self._share:
            return
        whole = fate.request_seconds + fate.reply_seconds
        self.world.later(self.chance.uniform(0, min(whole, 30) * 1.2), self._kill, machine)

    def world_machine(self, call: Call) -> Machine | None:
        """The machine whose worker sends the call."""
        return next((m for m in self.world.machines if m.worker is call.owner), None)

    def _kill(self, machine: Machine) -> None:
        if self._left <= 0 or self.world.is_calm:
            return
        self._left -= 1
        match self.chance.choice(["worker", "worker", "both", "stop"]):
            case "worker":
                machine.kill_worker()
            case "both":
                machine.kill()
            case _:
                machine.stop()
