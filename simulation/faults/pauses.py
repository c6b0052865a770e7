"""Processes that freeze for minutes and go on, not knowing that their leases have run out."""

from random import Random
from typing import TYPE_CHECKING

from simulation.faults import Fault
from simulation.network import Call, Fate

if TYPE_CHECKING:
    from simulation.world import World


class Pauses(Fault):
    """The worker alone, whose host goes on renewing its messages, or both."""

    name = "pauses"
    share = 0.4

    def __init__(self, world: "World", chance: Random) -> None:
        super().__init__(world, chance)
        self._share = chance.choice([0.005, 0.03])
        self._left = chance.choice([1, 2, 4])

    def decide(self, call: Call, fate: Fate) -> None:
        """Freezes the sender before, during or after its call."""
        machine = next((m for m in self.world.machines if m.worker is call.owner), None)
        if machine is None or self._left <= 0 or self.chance.random() >= self._share:
            return
        self._left -= 1
        lease = self.world.plan.lease
        seconds = self.chance.choice([15.0, lease + 6, lease + 40, 540.0, 700.0])
        with_host = self.chance.random() < 0.6
        whole = fate.request_seconds + fate.reply_seconds
        self.world.later(
            self.chance.uniform(0, min(whole, 30) * 1.2),
            lambda: machine.freeze(seconds, with_host=with_host),
        )
