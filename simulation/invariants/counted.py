"""No rule: counts the rare things that are seen from outside, so that a run can say what it met."""

from typing import TYPE_CHECKING

from simulation.app import OUTCOMES, POISON, REQUESTS
from simulation.events import event_of
from simulation.invariants import Invariant, Step
from simulation.ledger_view import Row
from simulation.loop import Gate, Owner
from simulation.network import Call, Fate, Invocation
from simulation.storage.queues import Message
from simulation.storage.tables import Change
from simulation.wire import Response

if TYPE_CHECKING:
    from simulation.world import World

_REFUSED = (404, 409, 412)


class Counted(Invariant):
    """Looks on, and counts."""

    def __init__(self, world: "World") -> None:
        super().__init__(world)
        self._lost_bodies: set[bytes] = set()
        self._enders: dict[str, Owner | None] = {}  # who wrote a final record, by request id
        self._reporters: dict[str, Owner | None] = {}  # who sent its first event

    def on_commit(self, changes: list[Change], steps: list[Step]) -> None:
        """Take-overs, uncertain ends; where a dead claimer had got to."""
        for before, after in steps:
            if after is None:
                continue
            if before is not None and _is_taken_over(before, after):
                self.world.count("a take-over of a dead claimer")
                self._where_it_died(before)
            if after.is_final and (before is None or not before.is_final):
                self._enders[after.request_id] = self._actor()
                if after.columns.get("Uncertain"):
                    self.world.count("an uncertain end")

    def on_put(self, queue: str, message: Message) -> None:
        """Messages that the host gave up, that the timer put back, events of the dead."""
        if queue == POISON:
            self.world.count("a message given up by the host")
        if queue == OUTCOMES:
            self._event(event_of(message.text).request_id)
        if queue == REQUESTS and "expiresAt" in message.text and "requestId" in message.text:
            self.world.count("a message put back by the timer")

    def on_arrival(self, call: Call) -> None:
        """Requests that come when nobody waits any more; refused writers; empty pages."""
        world = self.world
        if call.failed:
            world.count("a request arrives after its sender gave up")
        if call.response is None:
            return
        if call.service == "table" and call.request.path == "/$batch":
            self._batch(call, call.response)
        if call.service == "table" and call.request.path.endswith("()"):
            has_more = "x-ms-continuation-nextpartitionkey" in call.response.headers
            if has_more and b'"RowKey"' not in call.response.body:
                world.count("a page without rows")
        is_of_poison = call.request.path.startswith(f"/{POISON}/messages")
        if is_of_poison and b"<PopReceipt>" in call.response.body:
            world.count("a message taken from the poison queue")

    def on_seen(self, call: Call, fate: Fate) -> None:
        """Replies that were lost although the service had acted; fresh tokens; the dead."""
        acted = call.response is not None and call.response.status < 300
        is_lost = call.seen is None or fate.afterwards is not None
        if call.service == "api" and call.request.method == "POST" and acted and is_lost:
            self.world.count("a POST acted on whose answer was lost")
        if call.service == "table" and call.request.path == "/$batch" and acted and is_lost:
            self._lost_bodies.add(call.request.body)
        if call.service == "api" and call.invocation is not None:
            self._token(call, call.invocation)

    def _token(self, call: Call, invocation: Invocation) -> None:
        """Whether a call is repeated with another token after a 401."""
        *_, earlier, _ = [None, *(c for c in invocation.calls if c.service == "api")]
        was_refused = (
            earlier is not None and earlier.seen is not None and earlier.seen.status == 401
        )
        if earlier is not None and was_refused and earlier.request.bearer != call.request.bearer:
            self.world.count("a 401 and a fresh token")

    def _event(self, request_id: str) -> None:
        """Whose work somebody else has to finish."""
        if request_id in self._reporters:
            if _is_dead(self._reporters[request_id]):
                self.world.count("a worker dead between event and due row")
        elif _is_dead(self._enders.get(request_id)):
            self.world.count("a worker dead between record and event")
        self._reporters[request_id] = self._actor()

    def _actor(self) -> Owner | None:
        acting = self.world.network.acting
        return acting.owner if acting else None

    def _batch(self, call: Call, response: Response) -> None:
        if b"EntityAlreadyExists" in response.body:
            self.world.count("a claim that meets a record")
        is_refused = any(f" {status} ".encode() in response.body for status in _REFUSED)
        if call.request.body in self._lost_bodies:
            self.world.count("a write repeated after its reply was lost")
            if is_refused:
                self.world.count("a lost reply recognised")
        invocation = call.invocation
        if is_refused and b"HTTP/1.1 412" in response.body and invocation is not None:
            if invocation.paused:
                self.world.count("a late writer refused")
            if invocation.kind == "tick" and self._other_tick(invocation):
                self.world.count("both timers in one row")

    def _other_tick(self, invocation: Invocation) -> bool:
        return any(
            other is not invocation
            and other.kind == "tick"
            and other.owner.gate is not Gate.DEAD
            and other.began != float("inf")
            for other in self.world.invocations
        )

    def _where_it_died(self, before: Row) -> None:
        """Whether the dead claimer's POST had been sent."""
        posts = [
            call
            for invocation in self.world.invocations
            if invocation.owner.gate is Gate.DEAD and invocation.about == before.offer
            for call in invocation.calls
            if call.service == "api" and call.request.method == "POST"
        ]
        place = "POST and record" if posts else "claim and POST"
        self.world.count(f"a worker dead between {place}")


def _is_taken_over(before: Row, after: Row) -> bool:
    is_claim = before.status == after.status == "submitting"
    return is_claim and before.columns.get("LeaseUntil") != after.columns.get("LeaseUntil")


def _is_dead(owner: Owner | None) -> bool:
    return owner is not None and owner.gate is Gate.DEAD
