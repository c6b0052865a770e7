"""Answers of storage that are a 2xx and do not hold what was asked for."""

from random import Random
from typing import TYPE_CHECKING

from simulation.faults import Fault
from simulation.network import Call, Fate
from simulation.wire import Response

if TYPE_CHECKING:
    from simulation.world import World


class StorageOdd(Fault):
    """Calls of the table, after it has acted or in its place."""

    name = "odd storage answers"
    share = 0.15

    def __init__(self, world: "World", chance: Random) -> None:
        super().__init__(world, chance)
        self._share = chance.choice([0.02, 0.1])

    def decide(self, call: Call, fate: Fate) -> None:
        """Spoils the answer."""
        if call.service not in ("table", "queue") or self.chance.random() >= self._share:
            return
        self.world.count("an odd answer of storage")
        html = Response(200, {"Content-Type": "text/html"}, b"<html>a proxy</html>")
        how = self.chance.choice(["html", "empty", "no etag"])
        fate.notes.append(f"an odd answer: {how}")
        if how == "html" and self.chance.random() < 0.5:
            fate.instead = html
            return

        def spoil(response: Response) -> Response:
            if how == "html":
                return html
            if how == "empty":
                return Response(202 if response.status < 300 else response.status)
            headers = {k: v for k, v in response.headers.items() if k.lower() != "etag"}
            body = b"\r\n".join(
                line for line in response.body.split(b"\r\n") if not line.startswith(b"ETag")
            )
            return Response(response.status, headers, body)

        fate.afterwards = spoil
