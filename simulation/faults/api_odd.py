"""Answers of the API that cannot be understood: HTML, bodies that break off, 404 for a while."""

from random import Random
from typing import TYPE_CHECKING

from simulation.faults import Fault
from simulation.network import Call, Fate
from simulation.sessions import BROKEN_OFF
from simulation.wire import Response

if TYPE_CHECKING:
    from simulation.world import World


class ApiOdd(Fault):
    """Calls of the API alone."""

    name = "odd API answers"
    share = 0.2

    def __init__(self, world: "World", chance: Random) -> None:
        super().__init__(world, chance)
        self._share = chance.choice([0.05, 0.2])

    def decide(self, call: Call, fate: Fate) -> None:
        """Spoils the answer of a call that was acted on."""
        if call.service != "api" or self.chance.random() >= self._share:
            return
        how = self.chance.choice(["html", "breaks off", "404"])
        if how == "404" and call.request.method == "POST":
            how = "breaks off"
        fate.notes.append(f"the answer: {how}")

        def spoil(response: Response) -> Response:
            match how:
                case "html":
                    return Response(response.status, {"Content-Type": "text/html"}, b"<html>")
                case "breaks off":
                    body = response.body[:5] + BROKEN_OFF
                    return Response(response.status, response.headers, body)
                case _:
                    return Response(404, {}, b"")

        fate.afterwards = spoil
