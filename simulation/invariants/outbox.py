"""A final record keeps its due row until its event is sent."""

from simulation.app import OUTCOMES
from simulation.events import event_of
from simulation.invariants import Invariant, Step
from simulation.storage.queues import Message
from simulation.storage.tables import Change


class Outbox(Invariant):
    """Rule 2: the due row is the outbox, in both functions."""

    def on_put(self, queue: str, message: Message) -> None:
        """Remembers whose event was sent."""
        if queue == OUTCOMES:
            event = event_of(message.text)
            self._sent = {*getattr(self, "_sent", set()), event.request_id}

    def on_commit(self, changes: list[Change], steps: list[Step]) -> None:
        """Judges the records that the commit touched."""
        ledger = self.world.ledger
        sent: set[str] = getattr(self, "_sent", set())
        for digest in {change.key[1].rpartition("-")[2] for change in changes}:
            record = ledger.records.get(digest)
            if record is None or not record.is_final or record.offer in self.world.edited:
                continue
            if not ledger.due[digest] and record.request_id not in sent:
                self.world.fail(
                    "the due row is the outbox",
                    f"a {record.status} record has neither a due row nor an event",
                    record.offer,
                )
