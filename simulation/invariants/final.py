"""A final status, and what its event says of it, never changes within a run."""

from simulation.invariants import Invariant, Step
from simulation.storage.tables import Change

_SHOWN = ("Status", "HttpStatus", "ErrorCode", "ErrorMessage", "FinishedAt", "Attempts", "Polls")


class Final(Invariant):
    """What has ended stays so."""

    def on_commit(self, changes: list[Change], steps: list[Step]) -> None:
        """Compares before and after."""
        for before, after in steps:
            if before is None or not before.is_final or before.offer in self.world.edited:
                continue
            if after is None:
                self.world.fail("final stays final", "the record is gone", before.offer)
            elif after.run == before.run:
                for column in _SHOWN:
                    was, now = before.columns.get(column), after.columns.get(column)
                    if was != now:
                        self.world.fail(
                            "final stays final",
                            f"{column} of a {before.status} record was {was!r} and is {now!r}",
                            before.offer,
                        )
