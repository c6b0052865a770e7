"""Every message ends in exactly one final status and at least one event; nothing is left over."""

from typing import TYPE_CHECKING

from simulation.app import OUTCOMES, POISON, REJECTED, REQUESTS
from simulation.events import event_of
from simulation.invariants import Invariant
from simulation.plan import Asked
from simulation.storage.queues import Message

if TYPE_CHECKING:
    from simulation.world import World


class Ends(Invariant):
    """Takes stock once the faults are long over."""

    def __init__(self, world: "World") -> None:
        super().__init__(world)
        self._sent_anew: set[str] = set()  # ids that messages without one were given

    def on_put(self, queue: str, message: Message) -> None:
        """Notices a message that is put on the queue anew, before it is claimed."""
        request_id = self.world.request_id(message)
        claimed = {record.request_id for record in self.world.ledger.records.values()}
        if queue == REQUESTS and "expiresAt" in message.text and request_id not in claimed:
            self._sent_anew.add(request_id)

    def at_end(self) -> None:
        """Judges each request, then what is left in queues and in the due index."""
        events = [event_of(m.text) for m in self.world.queues.messages(OUTCOMES)]
        reported = {(event.offer, event.status) for event in events}
        for asked in {sent.asked.offer: sent.asked for sent in self.world.sent}.values():
            if asked.kind == "invalid":
                self._invalid(asked, reported)
            else:
                self._valid(asked, reported)

        for queue in (REQUESTS, POISON):
            for message in self.world.queues.messages(queue):
                about = self.world.about(message.text)
                self.world.fail("nothing left over", f"a message in {queue}", about)
        for digest, rows in self.world.ledger.due.items():
            if rows:
                record = self.world.ledger.records.get(digest)
                self.world.fail("nothing left over", "a due row", record.offer if record else "")

    def _invalid(self, asked: Asked, reported: set[tuple[str, str]]) -> None:
        if (asked.offer, "rejected") not in reported:
            self.world.fail("every request ends", "an invalid message has no event", asked.offer)
        kept = [
            m
            for m in self.world.queues.messages(REJECTED)
            if self.world.about(m.text) == asked.offer
        ]
        if not kept:
            self.world.fail("every request ends", "its original is not kept", asked.offer)

    @property
    def _gave_up(self) -> bool:
        return bool(self.world.counts["a message given up by the host"])

    def _copies(self, offer: str) -> int:
        """How often the host copied a message without an id to the poison queue."""
        ids = [r.request_id for r in self.world.ledger.records.values() if r.offer == offer]
        is_anonymous = all(request_id.startswith("msg-") for request_id in ids)

        return self.world.copies[offer] if is_anonymous else 0

    def _valid(self, asked: Asked, reported: set[tuple[str, str]]) -> None:
        records = [r for r in self.world.ledger.records.values() if r.offer == asked.offer]
        if not records:
            self.world.fail("every request ends", "it has no record", asked.offer)
        if len(records) > 1:
            # The one window of a message without an id: sent anew and given up all the same, or
            # copied twice, because a reply to the host was lost or it could not delete it.
            is_sent_anew = {record.request_id for record in records} & self._sent_anew
            if (is_sent_anew and self._gave_up) or self._copies(asked.offer) > 1:
                self.world.count("an anonymous message adopted twice")
            else:
                self.world.fail("every request ends", f"it has {len(records)} records", asked.offer)
        for record in records:
            if not record.is_final:
                self.world.fail("every request ends", f"it is {record.status}", asked.offer)
            elif (asked.offer, record.status) not in reported:
                self.world.fail("every request ends", f"{record.status} has no event", asked.offer)
            else:
                self.world.count(f"ended {record.status}")
