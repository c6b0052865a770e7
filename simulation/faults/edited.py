"""Rows that a hand edits: a due row that goes missing, or a second one."""

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
        bucket = record.digest[0]
        self.world.edited.add(record.offer)
        self.world.count("a row edited")
        if self.chance.random() < 0.6:
            self.world.note("a hand", "removes its due row", record.offer)
            due = sorted(ledger.due[record.digest])
            writes = [Write("delete", (bucket, name), {}) for name in due]
        else:
            self.world.note("a hand", "adds a due row", record.offer)
            name = f"due-20310101T000000000Z-{record.digest}"
            row = {"PartitionKey": bucket, "RowKey": name}
            writes = [Write("replace", (bucket, name), row)]
        self.world.tables.write(TABLE, writes)
