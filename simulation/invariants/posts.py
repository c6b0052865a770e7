"""No POST without a claim; no second POST that nothing explains, and no blind one.

An earlier POST explains another one when it was answered 401, 408, 429 or 5xx, or not at all, or
when its claimer died before it wrote down what came of it. Where the earlier one may have arrived,
the next attempt looks first.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulation.invariants import Invariant, Step
from simulation.network import Call, Fate, Invocation
from simulation.storage.tables import Change

if TYPE_CHECKING:
    from simulation.world import World

_AGAIN = (401, 408, 429)
_GRACE = (400, 404, 409)  # after an uncertain attempt these may be the first POST's doing
_SLACK = 6.0  # seconds that clocks may be apart, and a call's way
_SERVER_ERROR, _TIME_OUT = 500, 408


@dataclass(slots=True)
class _Offer:
    posts: list[Call] = field(default_factory=list)
    taken_over: list[float] = field(default_factory=list)  # when a dead claimer's lease was
    spoilt: set[int] = field(default_factory=set)  # numbers of calls whose answer was changed


class Posts(Invariant):
    """Follows every cancel call of every offer."""

    def __init__(self, world: "World") -> None:
        super().__init__(world)
        self._offers: defaultdict[str, _Offer] = defaultdict(_Offer)

    def on_commit(self, changes: list[Change], steps: list[Step]) -> None:
        """A claim that another worker takes over."""
        for before, after in steps:
            if before is None or after is None:
                continue
            if before.status != "submitting" or after.status != "submitting":
                continue
            if before.columns.get("LeaseUntil") != after.columns.get("LeaseUntil"):
                self._offers[after.offer].taken_over.append(self.world.loop.time())
                if self.world.now() < (before.moment("LeaseUntil") or 0.0):
                    self.world.fail("a lease is respected", "it is taken over early", after.offer)

    def on_seen(self, call: Call, fate: Fate) -> None:
        """An answer that was changed on its way, or an odd one, explains anything."""
        if call.service == "api" and (fate.afterwards or fate.instead or fate.lost_reply):
            self._offers[_offer_of(call)].spoilt.add(call.number)

    def on_sent(self, call: Call) -> None:
        """Judges a cancel call as it leaves."""
        if call.service != "api" or call.request.method != "POST":
            return
        name, invocation = _offer_of(call), call.invocation
        offer = self._offers[name]
        if sum(r.offer == name for r in self.world.ledger.records.values()) > 1:
            pass  # the one window, in which a request becomes two: `ends` judges it
        elif invocation is None or invocation.paused:
            if offer.posts:
                self.world.count("a late POST of a frozen process")
        else:
            self._has_claim(name, call)
            for earlier in offer.posts:
                self._is_explained(offer, name, earlier, call)
            if any(self._is_uncertain(offer, p, invocation) for p in offer.posts):
                self._has_looked(name, invocation)
        if offer.posts:
            self.world.count("a second POST")
        offer.posts.append(call)

    def _has_claim(self, name: str, call: Call) -> None:
        records = [r for r in self.world.ledger.records.values() if r.offer == name]
        held = [r for r in records if r.status == "submitting"]
        if not held:
            statuses = ", ".join(r.status for r in records) or "no record"
            self.world.fail("no POST without a claim", f"there is {statuses}", name)
        elif all((r.moment("LeaseUntil") or 0.0) + _SLACK < self.world.now() for r in held):
            self.world.fail("no POST without a claim", "the lease has run out", name)

    def _is_explained(self, offer: _Offer, name: str, earlier: Call, call: Call) -> None:
        seen = earlier.seen
        if seen is None or seen.status in _AGAIN or seen.status >= _SERVER_ERROR:
            return
        if earlier.number in offer.spoilt:
            return
        if any(at >= earlier.sent_at for at in offer.taken_over):
            return
        follows = offer.posts.index(earlier) > 0 or any(
            at <= earlier.sent_at for at in offer.taken_over
        )
        if seen.status in _GRACE and follows and earlier.invocation is not call.invocation:
            return
        self.world.fail("no unexplained POST", f"the one before was answered {seen.status}", name)

    def _is_uncertain(self, offer: _Offer, earlier: Call, invocation: Invocation) -> bool:
        """Whether the earlier POST may have arrived without an answer that was written down."""
        if earlier.invocation is invocation:
            return False
        if any(at >= earlier.sent_at for at in offer.taken_over):
            return True
        if earlier.seen is None:
            return earlier.failed != "NotConnectedError"
        status = earlier.seen.status
        return status == _TIME_OUT or status >= _SERVER_ERROR

    def _has_looked(self, name: str, invocation: Invocation) -> None:
        looks = [
            c
            for c in invocation.calls
            if c.service == "api" and c.request.method == "GET" and _offer_of(c) == name
        ]
        if not any(look.seen is not None for look in looks):
            self.world.fail("no second POST without a look", "an attempt is uncertain", name)
        self.world.count("a look before a POST")


def _offer_of(call: Call) -> str:
    return call.request.path.split("/")[5]
