"""Answers of the API that do not tell what it did: 401, 408, 429, 5xx, before or after acting."""

from random import Random
from typing import TYPE_CHECKING

from simulation.faults import Fault
from simulation.network import Call, Fate
from simulation.wire import Response

if TYPE_CHECKING:
    from simulation.world import World

_HTML = {"Content-Type": "text/html"}


class ApiErrors(Fault):
    """Calls of the API alone."""

    name = "API errors"
    share = 0.6

    def __init__(self, world: "World", chance: Random) -> None:
        super().__init__(world, chance)
        self._share = chance.choice([0.1, 0.3, 0.6])

    def decide(self, call: Call, fate: Fate) -> None:
        """Answers with an error, in place of the API or after it has acted."""
        if call.service != "api" or self.chance.random() >= self._share:
            return
        status = self.chance.choice([401, 408, 429, 429, 500, 502, 503, 504])
        headers = dict(_HTML)
        if status in (429, 503) and self.chance.random() < 0.5:
            headers["Retry-After"] = str(self.chance.choice([1, 30, 400]))
        answer = Response(status, headers, b"<html>no</html>")
        if self.chance.random() < 0.5:
            fate.instead = answer
            fate.notes.append(f"answered {status} on the way")
        else:
            fate.afterwards = lambda _response: answer
            fate.notes.append(f"acted on, answered {status}")
