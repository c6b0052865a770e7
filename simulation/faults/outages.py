"""Services that are away for minutes, one or several together."""

import asyncio
from random import Random
from typing import TYPE_CHECKING

from simulation.faults import Fault
from simulation.network import Call, Fate
from simulation.wire import Response

if TYPE_CHECKING:
    from simulation.world import World

_SERVICES = ("table", "queue", "api", "identity")


class Outages(Fault):
    """Once or twice in a world."""

    name = "outages"
    share = 0.4

    def __init__(self, world: "World", chance: Random) -> None:
        super().__init__(world, chance)
        self._away: frozenset[str] = frozenset()
        self._refuses = chance.random() < 0.5

    async def run(self) -> None:
        """Takes services away and brings them back."""
        for _ in range(self.chance.choice([1, 2, 3])):
            await asyncio.sleep(self.chance.uniform(0, self.world.plan.faults_end / 3))
            self._away = frozenset(self.chance.sample(_SERVICES, self.chance.choice([1, 1, 2])))
            seconds = self.chance.choice([20.0, 100.0, 400.0, 900.0])
            self.world.note("world", f"no {', '.join(sorted(self._away))} for {seconds:.0f} s")
            await asyncio.sleep(seconds)
            self._away = frozenset()

    def decide(self, call: Call, fate: Fate) -> None:
        """Refuses a call of a service that is away."""
        if call.service not in self._away:
            return
        if self._refuses:
            fate.refused = "refused"
        else:
            fate.instead = Response(503, {"x-ms-error-code": "ServerBusy"}, b"")
        fate.notes.append("the service is away")
