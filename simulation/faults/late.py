"""Requests and replies that are late: after the sender's patience, and after its next try."""

from random import Random
from typing import TYPE_CHECKING

from simulation.faults import Fault
from simulation.network import Call, Fate

if TYPE_CHECKING:
    from simulation.world import World


class Late(Fault):
    """Any call may be hit: by seconds, or by minutes."""

    name = "late messages"
    share = 0.5

    def __init__(self, world: "World", chance: Random) -> None:
        super().__init__(world, chance)
        self._share = chance.choice([0.01, 0.05])

    def decide(self, call: Call, fate: Fate) -> None:
        """Delays the request or the reply."""
        if self.chance.random() >= self._share:
            return
        seconds = self.chance.choice([3.0, 11.0, 25.0, 130.0])
        if self.chance.random() < 0.5:
            fate.request_seconds += seconds
            fate.notes.append(f"arrives {seconds:.0f} s late")
        else:
            fate.reply_seconds += seconds
            fate.notes.append(f"is answered {seconds:.0f} s late")
