"""Requests and replies that get lost, by silence or by a reset; connections that are refused."""

from random import Random
from typing import TYPE_CHECKING

from simulation.faults import Fault
from simulation.network import Call, Fate

if TYPE_CHECKING:
    from simulation.world import World


class Lost(Fault):
    """Any call may be hit."""

    name = "lost messages"
    share = 0.6

    def __init__(self, world: "World", chance: Random) -> None:
        super().__init__(world, chance)
        self._share = chance.choice([0.01, 0.05, 0.15])

    def decide(self, call: Call, fate: Fate) -> None:
        """Loses the request, the reply, or the connection."""
        if self.chance.random() >= self._share:
            return
        match self.chance.choice(["request", "reply", "reply", "refused"]):
            case "request":
                fate.lost_request = True
                fate.notes.append("the request is lost")
            case "reply":
                fate.lost_reply = True
                fate.notes.append("the reply is lost")
            case _:
                fate.refused = "refused"
                fate.notes.append("no connection")
        fate.reset = self.chance.random() < 0.7
