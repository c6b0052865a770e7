"""Tokens that are revoked, and an identity endpoint that answers nonsense."""

import asyncio

from simulation.faults import Fault
from simulation.network import Call, Fate
from simulation.wire import Response


class Tokens(Fault):
    """Now and then every token is worth nothing."""

    name = "tokens"
    share = 0.2

    async def run(self) -> None:
        """Revokes all tokens."""
        while not self.world.is_calm:
            await asyncio.sleep(self.chance.uniform(5, 300))
            if self.world.identity.revoke():
                self.world.note("world", "every token is revoked")
                self.world.count("tokens revoked")

    def decide(self, call: Call, fate: Fate) -> None:
        """Spoils an answer of the identity endpoint."""
        if call.service == "identity" and self.chance.random() < 0.1:
            status = self.chance.choice([200, 400, 500])
            fate.instead = Response(status, {"Content-Type": "application/json"}, b"{}")
            fate.notes.append(f"no token: {status}")
