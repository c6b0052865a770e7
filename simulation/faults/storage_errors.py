"""Storage that is busy: 500 and 503, before or after it has acted; 403 and 409 out of nowhere."""

from random import Random
from typing import TYPE_CHECKING

from simulation.faults import Fault
from simulation.network import Call, Fate
from simulation.wire import Response

if TYPE_CHECKING:
    from simulation.world import World


class StorageErrors(Fault):
    """Calls of table and queue."""

    name = "storage errors"
    share = 0.4

    def __init__(self, world: "World", chance: Random) -> None:
        super().__init__(world, chance)
        self._share = chance.choice([0.02, 0.1, 0.4])

    def decide(self, call: Call, fate: Fate) -> None:
        """Answers with an error."""
        if call.service not in ("table", "queue") or self.chance.random() >= self._share:
            return
        status, code = self.chance.choice(
            [(500, "InternalError"), (503, "ServerBusy"), (503, "ServerBusy"),
             (403, "AuthorizationFailure")]
        )  # fmt: skip
        answer = Response(status, {"x-ms-error-code": code}, b"")
        if self.chance.random() < 0.6:
            fate.instead = answer
            fate.notes.append(f"answered {status} on the way")
        else:
            fate.afterwards = lambda _response: answer
            fate.notes.append(f"acted on, answered {status}")
