"""An event says what the record says, and every repeat of it says the same."""

from typing import TYPE_CHECKING

from simulation.app import OUTCOMES
from simulation.events import Event, event_of
from simulation.invariants import Invariant
from simulation.storage.queues import Message

if TYPE_CHECKING:
    from simulation.world import World

_OF_MESSAGES = ("InvalidRequest", "RequestIdReused", "InternalError")
_COLUMNS = {
    "status": "Status",
    "publisherId": "PublisherId",
    "offerId": "OfferId",
    "httpStatus": "HttpStatus",
    "operationStatus": "OperationStatus",
    "attempts": "Attempts",
    "polls": "Polls",
}


class Outcomes(Invariant):
    """Reads each event as it is put on the queue."""

    def __init__(self, world: "World") -> None:
        super().__init__(world)
        self._known: dict[str, Event] = {}
        self._ids_of_invalid: dict[str, str] = {}

    def on_put(self, queue: str, message: Message) -> None:
        """Compares the event with the record and with earlier ones."""
        if queue != OUTCOMES:
            return
        event = event_of(message.text)
        about = event.offer
        self.world.note("outcomes", f"the event {event.status}", about)
        key = event.id if event.code in _OF_MESSAGES else event.request_id
        earlier = self._known.setdefault(key, event)
        if earlier is not event:
            self.world.count("an event sent again")
        if event.code == "InvalidRequest":
            ids = self._ids_of_invalid.setdefault(about, event.id)
            if ids != event.id:
                self.world.fail("one id for one text", f"{ids} and {event.id}", about)
        if (earlier.source, earlier.id, earlier.status) != (event.source, event.id, event.status):
            text = f"{earlier.id} says {earlier.status}, {event.id} says {event.status}"
            self.world.fail("one id, one status", text, about)

        record = next(
            (r for r in self.world.ledger.records.values() if r.request_id == event.request_id),
            None,
        )
        if record is None:
            if event.code not in _OF_MESSAGES:
                self.world.fail("record before event", f"{event.status} has no record", about)
            return
        for name, column in _COLUMNS.items():
            said, is_so = event.data.get(name), record.columns.get(column)
            if said != is_so and event.code != "RequestIdReused":
                text = f"{name} is {said!r} in the event and {is_so!r} in the record"
                self.world.fail("the event says what the record says", text, about)
