"""One simulated world: services, machines, producers and faults, run until everything has ended.

Invariants look on at every commit, every message and every call; a violation ends the world.
"""

import asyncio
import gc
import json
import logging
import os
import random
import time
import warnings
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from offer_cancellation.clock import whole_milliseconds
from simulation import api as portal
from simulation import faults, identity, invariants, plan
from simulation.api import Api
from simulation.app import (
    OUTCOMES,
    POISON,
    QUEUE_HOST,
    REQUESTS,
    TABLE_HOST,
    App,
    environment,
    only_partitions,
)
from simulation.app import settings as app_settings
from simulation.chance import Chance
from simulation.host import HostSettings, Machine
from simulation.identity import Identity
from simulation.journal import READS, Journal
from simulation.ledger_view import LedgerView
from simulation.loop import Owner, VirtualLoop, WaitsForEverError, sealed
from simulation.network import Call, Fate, Invocation, Network
from simulation.plan import EPOCH, Asked, Plan
from simulation.storage.queue_service import QueueService
from simulation.storage.queues import Message, Queues
from simulation.storage.table_service import TableService
from simulation.storage.tables import Change, Tables
from simulation.timer import Timer
from simulation.wire import Request, Response

T = TypeVar("T")

PATIENCE = 3 * 3600.0  # seconds after the last deadline in which everything has to end
_HOST_REQUEST = Request("HOST", f"https://{QUEUE_HOST}/{REQUESTS}/messages", {})


class ViolationError(AssertionError):
    """Something that must hold did not."""


@dataclass(slots=True)
class Result:
    """What came of a seed."""

    seed: int
    violation: str = ""
    story: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    virtual_seconds: float = 0.0
    steps: int = 0
    faults: tuple[str, ...] = ()


@dataclass(slots=True)
class Sent:
    """A message that a producer put on the queue."""

    asked: Asked
    message_id: str
    text: str
    at: float


class World:
    """Everything there is; faults and invariants get it handed in."""

    def __init__(self, given: Plan, chance: Chance, *, without: frozenset[str]) -> None:
        self.plan = given
        self.chance = chance
        self.loop = VirtualLoop(chance.of("order"))
        self.journal = Journal()
        self.copies = Counter[str]()  # put into the poison queue, by offer
        self.counts: Counter[str] = Counter()
        self.network = Network(self.loop, chance.of("latency"))
        self.tables, self.queues = Tables(self.now), Queues(self.now)
        self.identity = Identity(self.now, given.token_lifetime)
        self.api = Api(self.identity, self.now)
        self.ledger = LedgerView()
        self.sent: list[Sent] = []
        self.invocations: list[Invocation] = []
        self.edited: set[str] = set()  # offers whose rows a hand has edited
        self.violation: ViolationError | None = None
        self.abouts: frozenset[str] = frozenset()
        page = chance.of("pages")
        table_service = TableService(self.tables, lambda: self._page(page))
        self.network.services = {
            QUEUE_HOST: ("queue", QueueService(self.queues)),
            TABLE_HOST: ("table", table_service),
            portal.HOST: ("api", self.api),
            portal.ELSEWHERE: ("elsewhere", lambda _request: Response(200)),
            identity.HOST: ("identity", self.identity),
        }
        self._changed: asyncio.Future[None] | None = None
        host_json = HostSettings.read()
        self.machines = [
            Machine(self, f"machine-{n}", chance.of(f"machine {n}"), host_json)
            for n in range(given.machines)
        ]
        self.timer = Timer(self, chance.of("timer"))
        self.faults = faults.chosen(self, without)
        self.invariants = invariants.all_of(self)
        self.queues.is_good_id = lambda name: plan.bucket(f"msg-{name}") in given.buckets
        self._observe()
        self.loop.set_exception_handler(self._unexpected)

    # What everyone asks.

    def now(self) -> float:
        """True seconds since the epoch."""
        return EPOCH + self.loop.time()

    @property
    def is_calm(self) -> bool:
        """Whether the faults are over."""
        return self.loop.time() >= self.plan.faults_end

    def note(self, actor: str, what: str, about: str = "") -> None:
        """Puts something in the journal."""
        self.journal.add(self.loop.time(), actor, what, about)

    def count(self, what: str) -> None:
        """Counts something rare."""
        self.counts[what] += 1

    def about(self, text: str) -> str:
        """The offer that a message is about; empty when that cannot be read."""
        try:
            return str(json.loads(text).get("offerId", ""))
        except (ValueError, AttributeError):
            return ""

    def request_id(self, message: Message) -> str:
        """The request id that a message will have."""
        try:
            given = json.loads(message.text).get("requestId")
        except (ValueError, AttributeError):
            given = None
        return str(given or f"msg-{message.id}")

    def fail(self, rule: str, what: str, about: str = "") -> None:
        """Something that must hold does not: the world ends with this step."""
        if self.violation is None:
            self.violation = ViolationError(f"{rule}: {what}")
            self.abouts = frozenset({about} if about else ())
            self.note("RULE", f"{rule}: {what}", about)
            self.loop.stop()

    def later(self, seconds: float, act: Callable[..., object], *arguments: object) -> None:
        """Does something after so many seconds, whoever is dead by then."""
        self.loop.call_at(self.loop.time() + seconds, act, *arguments, context=Context())

    def app_for(self, machine: Machine, life: int) -> App:
        """A new process of the app on a machine."""
        owner = machine.worker

        async def exchange(
            request: Request, leaves: Callable[[], Awaitable[None]] | None = None
        ) -> Any:
            return await self.network.exchange(owner, request, leaves)

        def clock() -> datetime:
            return whole_milliseconds(datetime.fromtimestamp(machine.clock(), UTC))

        given = app_settings(
            CANCEL_DEADLINE_HOURS=str(self.plan.deadline_hours),
            PARTNER_API_TIMEOUT_SECONDS=str(self.plan.api_timeout),
            POLL_GRACE_SECONDS=str(self.plan.grace),
        )
        jitter = self.chance.of(f"jitter {machine.name} {life}")
        return App(given, clock, jitter, exchange)

    def invocation(self, kind: str, owner: Owner, about: str) -> Invocation:
        """A function begins to run."""
        invocation = Invocation(len(self.invocations), kind, owner, self.loop.time(), about)
        self.invocations.append(invocation)
        return invocation

    def invocation_ended(self, invocation: Invocation) -> None:
        """A function has ended, one way or the other."""
        for invariant in self.invariants:
            invariant.on_ended(invocation)

    def function_failed(self, invocation: Invocation, error: Exception) -> None:
        """An invocation raised: what that may be, an invariant says."""
        for invariant in self.invariants:
            invariant.on_raised(invocation, error)

    async def reach(self, owner: Owner, act: Callable[[], T]) -> T:
        """One of a host's own calls of the queue service. Raises OSError, and what `act` raises."""
        call = Call(0, owner, "queue", _HOST_REQUEST, self.loop.time(), None)
        fate = Fate(0.01, 0.01)
        for decide in self.network.deciders:
            decide(call, fate)
        await asyncio.sleep(min(fate.request_seconds, 10))
        if fate.refused or fate.lost_request or fate.instead is not None:
            raise OSError
        result = act()
        await asyncio.sleep(min(fate.reply_seconds, 10))
        if fate.lost_reply or fate.afterwards is not None:
            raise OSError
        return result

    async def until_visible(self, queue: str) -> None:
        """Waits until a message of the queue can be received."""
        while True:
            times = [m.visible_at for m in self.queues.messages(queue)]
            wait = min(times, default=float("inf")) - self.now()
            if wait <= 0:
                return
            if self._changed is None or self._changed.done():
                self._changed = self.loop.create_future()
            await asyncio.wait({self._changed}, timeout=min(wait, 86400.0))

    def has_work(self) -> bool:
        """Whether a tick could find anything to do."""
        stamp = f"{datetime.fromtimestamp(self.now() + 5, UTC):%Y%m%dT%H%M%S}"
        earliest = self.ledger.earliest_due()
        return (
            (earliest is not None and earliest <= stamp)
            or any(m.visible_at <= self.now() for m in self.queues.messages(POISON))
            or (bool(self.edited) and any(map(self.ledger.breaks_rule_one, self.ledger.records)))
        )

    # The run.

    async def live(self) -> None:
        """Runs until everything has ended, or fails."""
        for name in (REQUESTS, OUTCOMES):
            self.queues.create(name)
        for asked in self.plan.asked:
            self.api.add(asked.offer, asked.manners)
            self._watched(self._produce(asked))
        for machine in self.machines:
            machine.start()
        self._watched(self.timer.run())
        for fault in self.faults:
            self._watched(fault.run())

        await asyncio.sleep(self.plan.faults_end)
        self.note("world", "the faults are over")
        self.network.deciders.clear()
        end = self.loop.time() + self.plan.deadline_hours * 3600 + PATIENCE
        while not self._is_settled():
            if self.loop.time() > end:
                break
            await asyncio.sleep(15)
        await asyncio.sleep(120)
        for invariant in self.invariants:
            invariant.at_end()

    async def _produce(self, asked: Asked) -> None:
        await asyncio.sleep(asked.at)
        fields: dict[str, object] = {"publisherId": portal.PUBLISHER, "offerId": asked.offer}
        if asked.request_id:
            fields["requestId"] = asked.request_id
        if asked.kind == "guarded":
            fields["operationId"] = portal.operation_id(asked.offer, 0)
        if asked.kind == "invalid":
            fields["operatoinId"] = "misspelt"
        if asked.expires_in is not None:
            expires = datetime.fromtimestamp(self.now() + asked.expires_in, UTC)
            fields["expiresAt"] = expires.isoformat()
        text = json.dumps(fields)
        waits = (0.0, *(asked.repeats if asked.request_id else ()))
        for wait in waits:
            await asyncio.sleep(wait)
            message = self.queues.put(REQUESTS, text)
            self.sent.append(Sent(asked, message.id, text, self.loop.time()))
            self.note("producer", f"sends message {message.id[-4:]} ({asked.kind})", asked.offer)

    def _watched(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Starts a part of the world itself: if it fails, the world does."""
        task = self.loop.spawn(coroutine, None)
        task.add_done_callback(
            lambda done: done.result() if not done.cancelled() else None, context=Context()
        )

    def _unexpected(self, _loop: object, context: dict[str, Any]) -> None:
        """A callback of the world raised. What nobody asked for any more is no fault."""
        error = context.get("exception")
        if error is not None and "never retrieved" not in context["message"]:
            self.fail("the simulation itself", f"{error!r}")

    def _is_settled(self) -> bool:
        is_quiet = not self.queues.messages(REQUESTS) and not self.queues.messages(POISON)
        last = max((a.at + sum(a.repeats) for a in self.plan.asked), default=0.0)
        return (
            is_quiet
            and self.loop.time() > last + 1
            and not any(self.ledger.due.values())
            and all(record.is_final for record in self.ledger.records.values())
        )

    # What is looked at.

    def _observe(self) -> None:
        self.tables.committed = self._committed
        self.queues.was_put = self._put
        self.queues.was_moved = lambda _queue, _message: self._wake()
        network = self.network
        network.on_sent.append(self._call_sent)
        network.on_arrival.append(self._call_arrived)
        network.on_seen.append(self._seen)

    def _committed(self, changes: list[Change]) -> None:
        steps = self.ledger.follow(changes)
        for before, after in steps:
            row = after or before
            if row is not None:
                was = before.status if before else "nothing"
                now = after.status if after else "nothing"
                self.note("ledger", f"{was} → {now}", row.offer)
        for invariant in self.invariants:
            invariant.on_commit(changes, steps)

    def _put(self, queue: str, message: Message) -> None:
        for invariant in self.invariants:
            invariant.on_put(queue, message)
        self._wake()

    def _call_sent(self, call: Call) -> None:
        for invariant in self.invariants:
            invariant.on_sent(call)

    def _call_arrived(self, call: Call) -> None:
        for invariant in self.invariants:
            invariant.on_arrival(call)

    def _seen(self, call: Call, fate: Fate) -> None:
        about = call.invocation.about if call.invocation else ""
        if call.service == "api":
            parts = call.request.path.split("/")
            about = parts[5] if len(parts) > 5 else ""
            outcome = call.seen.status if call.seen else call.failed
            acted = "" if call.arrived_at is not None else ", never arrived"
            self.note(
                call.owner.name, f"{call.request.method} {parts[-1]}: {outcome}{acted}", about
            )
        elif fate.notes:
            outcome = call.seen.status if call.seen else call.failed
            is_read = call.invocation is None or call.invocation.kind == "tick"
            about = about or (READS if is_read and call.request.method == "GET" else "")
            self.note(call.owner.name, f"{call.target}: {outcome} ({', '.join(fate.notes)})", about)
        for invariant in self.invariants:
            invariant.on_seen(call, fate)

    def _wake(self) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)

    def _page(self, dice: random.Random) -> int:
        if self.is_calm or self.plan.page > 2:
            return 1000
        return dice.randint(0, self.plan.page)


@contextmanager
def _without_collections() -> Iterator[None]:
    """A garbage collection in the midst of a seed would not come at the same step again."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def run(
    seed: int,
    *,
    without: frozenset[str] = frozenset(),
    given: Plan | None = None,
    script: Callable[[World], None] = lambda _world: None,
) -> Result:
    """Runs one seed; `without` names faults that are left out.

    A `script` prepares the world for a scenario of its own, beside or in place of its faults.
    """
    chance = Chance(seed)
    given = given or plan.make(chance)
    with (
        _without_collections(),
        repeatable(chance),
        environment(),
        only_partitions(given.buckets),
        sealed(),
    ):
        world = World(given, chance, without=without)
        script(world)
        result = Result(seed, faults=tuple(fault.name for fault in world.faults))
        with _clock_of(world):
            try:
                world.loop.run_until_complete(world.loop.spawn(world.live(), None))
            except RuntimeError:
                if world.violation is None:
                    raise
            except WaitsForEverError as error:
                world.fail("waits for ever", str(error))
            finally:
                result.virtual_seconds, result.steps = world.loop.time(), world.loop.steps
                world.invariants.clear()  # what is torn down now breaks no rule
                world.loop.drop_everything()
                world.loop.close()
    result.counts = world.counts
    result.violation = str(world.violation or "")
    result.story = world.journal.story(world.abouts)
    return result


@contextmanager
def repeatable(chance: Chance) -> Iterator[None]:
    """Within the block, what the libraries draw at random follows from the seed."""
    draw, urandom, state = chance.of("libraries"), os.urandom, random.getstate()
    true_random = random.Random

    class SeededRandom(true_random):  # type: ignore[misc, valid-type]
        """The queue's SDK makes one for each wait, from the system's entropy."""

        def __init__(self, seed: int | None = None) -> None:
            super().__init__(draw.getrandbits(64) if seed is None else seed)

    level = logging.root.manager.disable
    os.urandom = draw.randbytes
    random.seed(chance.seed)
    random.Random = SeededRandom  # type: ignore[assignment, misc]
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # coroutines of the dead
            yield
    finally:
        logging.disable(level)
        random.Random = true_random  # type: ignore[misc]
        random.setstate(state)
        os.urandom = urandom


@contextmanager
def _clock_of(world: World) -> Iterator[None]:
    """Within the block, the libraries' time is the world's."""
    true_time = time.time
    time.time = world.now
    try:
        yield
    finally:
        time.time = true_time
