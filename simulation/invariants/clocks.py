"""No time of the wall clock is written: the world lives in years that it never shows."""

from simulation.invariants import Invariant, Step
from simulation.plan import EPOCH
from simulation.storage.tables import Change

_COLUMNS = ("RequestedAt", "LeaseUntil", "NextTryAt", "AcceptedAt", "FinishedAt", "FirstAttemptAt")
_MARGIN = 30 * 86400.0  # seconds


class Clocks(Invariant):
    """Reads the times of each record."""

    def on_commit(self, changes: list[Change], steps: list[Step]) -> None:
        """Compares them with the world's time."""
        for _, after in steps:
            for column in _COLUMNS:
                moment = after.moment(column) if after else None
                if after and moment is not None and abs(moment - EPOCH) > _MARGIN:
                    self.world.fail("no wall clock", f"{column} is off", after.offer)
