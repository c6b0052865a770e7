"""A final record keeps its due row until its event is sent."""

from typing import TYPE_CHECKING

from simulation.app import OUTCOMES
from simulation.events import event_of
from simulation.invariants import Invariant, Step
from simulation.storage.queues import Message
from simulation.storage.tables import Change

if TYPE_CHECKING:
    from simulation.world import World


class Outbox(Invariant):
    """Rule 2: the due row is the outbox, in both functions."""

    def __init__(self, world: "World") -> None:
        super().__init__(world)
        self._sent: set[str] = set()

    def on_put(self, queue: str, message: Message) -> None:
        """Remembers whose event was sent."""
        if queue == OUTCOMES:
            self._sent.add(event_of(message.text).request_id)

    def on_commit(self, changes: list[Change], steps: list[Step]) -> None:
        """Judges the records that the commit touched."""
        ledger = self.world.ledger
        for digest in {change.key[1].rpartition("-")[2] for change in changes}:
            record = ledger.records.get(digest)
            if record is None or not record.is_final or record.offer in self.world.edited:
                continue
            if not ledger.due[digest] and record.request_id not in self._sent:
                self.world.fail(
                    "the due row is the outbox",
                    f"a {record.status} record has neither a due row nor an event",
                    record.offer,
                )
