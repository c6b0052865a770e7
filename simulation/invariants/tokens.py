"""A token goes to the service that it was issued for, and to no other."""

from simulation.api import RESOURCE
from simulation.invariants import Invariant
from simulation.network import Call


class Tokens(Invariant):
    """Reads the audience of each bearer token."""

    def on_sent(self, call: Call) -> None:
        """Compares audience and service."""
        token = call.request.bearer
        if token is None:
            return
        is_for_api = token.endswith(f"for-{RESOURCE}")
        if is_for_api != (call.service == "api"):
            self.world.fail("no token off the origin", f"{token} went to {call.request.host}")
