"""A record that is not final has exactly one due row, in every commit."""

from simulation.invariants import Invariant, Step
from simulation.storage.tables import Change


class DueRows(Invariant):
    """Rule 1. A row that a hand has edited is excepted until it is whole again."""

    def on_commit(self, changes: list[Change], steps: list[Step]) -> None:
        """Judges the records that the commit touched."""
        ledger = self.world.ledger
        for digest in {change.key[1].rpartition("-")[2] for change in changes}:
            record = ledger.records.get(digest)
            if record is None:
                continue
            if not ledger.breaks_rule_one(digest):
                if record.offer in self.world.edited:
                    self.world.edited.discard(record.offer)
                    self.world.count("a due row restored")
            elif record.offer not in self.world.edited:
                self.world.fail(
                    "one due row",
                    f"a {record.status} record has {len(ledger.due[digest])}",
                    record.offer,
                )
