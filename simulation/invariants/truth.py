"""A request ends as its offer's operation does, as far as the API can be asked."""

from typing import TYPE_CHECKING

from simulation.invariants import Invariant, Step
from simulation.storage.tables import Change

if TYPE_CHECKING:
    from simulation.world import World


class Truth(Invariant):
    """Asks the API what is true."""

    def __init__(self, world: "World") -> None:
        super().__init__(world)
        self._hides = any(fault.name == "odd API answers" for fault in world.faults)

    def on_commit(self, changes: list[Change], steps: list[Step]) -> None:
        """Compares a canceled record with the offer."""
        for _, after in steps:
            if after is None:
                continue
            first = self.world.api.offers[after.offer].operations[0]
            is_missing = after.columns.get("ErrorCode") in ("NotFound", "Http404")
            if after.status == "failed" and is_missing and not self._hides:
                self.world.fail("failed is true", "its operation is there", after.offer)
            if after.status != "canceled":
                continue
            if first.canceled_at is None and first.status(self.world.now()) == "running":
                self.world.fail("canceled is true", "the operation runs on", after.offer)
