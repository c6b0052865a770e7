"""A request ends `canceled` only when what ran for its offer runs no more, or is being ended."""

from simulation.invariants import Invariant, Step
from simulation.storage.tables import Change


class Truth(Invariant):
    """Asks the API what is true."""

    def on_commit(self, changes: list[Change], steps: list[Step]) -> None:
        """Compares a canceled record with the offer."""
        for _, after in steps:
            if after is None or after.status != "canceled":
                continue
            first = self.world.api.offers[after.offer].operations[0]
            if first.canceled_at is None and first.status(self.world.now()) == "running":
                self.world.fail("canceled is true", "the operation runs on", after.offer)
