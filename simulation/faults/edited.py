"""Rows that a hand edits: due rows that go missing, a second one, a record's columns."""

import asyncio

from simulation.app import TABLE
from simulation.faults import Fault
from simulation.storage.tables import Write


class Edited(Fault):
    """Once in a world, for one record that is not final."""

    name = "edited rows"
    share = 0.15

    async def run(self) -> None:
        """Waits for a record, and edits."""
        await asyncio.sleep(self.chance.uniform(0, self.world.plan.faults_end))
        ledger = self.world.ledger
        pending = [r for r in ledger.records.values() if not r.is_final]
        if not pending or self.world.is_calm:
            return
        record = self.chance.choice(sorted(pending, key=lambda r: r.digest))
        key = (record.digest[0], f"request-{record.digest}")
        self.world.edited.add(record.offer)
        self.world.note("a hand", "removes its due row", record.offer)
        self.world.count("a row edited")
        writes = [Write("delete", (key[0], due), {}) for due in sorted(ledger.due[record.digest])]
        self.world.tables.write(TABLE, writes)
