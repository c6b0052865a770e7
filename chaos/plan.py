"""What a chaos run will do, drawn from its seed before anything starts. Pure.

Half of the messages are spread over the sending time, half come in bursts just before a kill, so
that a kill finds work in flight.
"""

from dataclasses import dataclass
from functools import cached_property
from random import Random

from chaos.dress import Dress, draw_dress
from chaos.faults import Fault, draw_fatal_fault, draw_fault, draw_latency, rng_of
from chaos.messages import Form, Invalid, Request, invalid_text
from chaos.offers import Guard, Offer, draw_offer
from chaos.storage_proxy import Oddity
from local.portal.script import Kind

_TWICE = 0.1
_INVALID = 0.04
_GUARDED = {Guard.RUNNING: 0.05, Guard.OVER: 0.02, Guard.UNKNOWN: 0.02}
_EXPIRING = 0.05
_WITHOUT_ID = 0.08
_FORMS = {
    Form.PLAIN: 30,
    Form.BASE64: 40,
    Form.EVENT: 10,
    Form.EVENT_BASE64: 12,
    Form.EVENT_ARRAY: 8,
    Form.EVENT_COUNTED: 4,
}
_AGAIN_WITHIN = (0.1, 6.0)  # seconds from a message to its copy: hard on its heels, or later
_BURST = (0.05, 0.7)  # seconds before a kill
_UNDELIVERABLE = 0.05
# What the host gives up is hidden for a minute where its adoption fails: it has to come early.
_EARLY = 0.4  # of the sending time
_ODD_ANSWERS = 0.03  # of the storage's, in that time
_STORAGE_AWAY = 4.0  # seconds around its restart
_DEATHS = 3  # before the last claimer of a request that lies in the ledger
_CLOCKS_APART = (-3.0, 3.0)  # seconds between the clocks of the two apps
_PORTAL_CLOCK = (-3600.0, -40.0, 0.0, 40.0, 3600.0)  # seconds ahead
QUEUES = ("cancel-outcomes", "cancel-requests-rejected")


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done within how many seconds; see `FULL` and `SHORT`.

    `kills`: how many, between which seconds. `polls`: how often at most an operation is found to
    run. `faults`: how many the portal must have shown, or the run proves nothing. `fatal`: requests
    that their claimers die of. `limit`: when a run that has not settled is given up.
    """

    requests: int
    seconds: float
    kills: int
    kills_between: tuple[float, float]
    outage: float
    restarts_storage: bool
    revocations: int
    polls: int
    faults: int
    fatal: int
    limit: float


FULL = Size(
    requests=150, seconds=45, kills=12, kills_between=(3, 43), outage=4, restarts_storage=True,
    revocations=2, polls=4, faults=60, fatal=2, limit=300,
)  # fmt: skip
# A dead claimer's request is taken over 23 s later: the kills come early, and most runs take 35 s;
# five deaths in a row would take minutes.
# On a busy machine they take longer; what has not settled by the limit hangs.
SHORT = Size(
    requests=40, seconds=7, kills=2, kills_between=(0.8, 2.2), outage=1.5, restarts_storage=False,
    revocations=1, polls=2, faults=15, fatal=0, limit=110,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL to host number `target` (0 or 1); started again `back_after` seconds later."""

    at: float
    target: int
    back_after: float


@dataclass(frozen=True, slots=True)
class Outage:
    """Something is gone for a while."""

    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Deletion:
    """A queue is deleted."""

    at: float
    queue: str


@dataclass(frozen=True)
class Plan:
    """Everything that will be done; all times are seconds from the start.

    `odd_until`: until when the storage's answers are odd now and then. `clocks_apart`: seconds
    that the second app's clock is ahead of the first one's. `portal_clock`: that the portal's is.
    """

    seed: int
    size: Size
    requests: tuple[Request, ...]
    invalid: tuple[Invalid, ...]
    kills: tuple[Kill, ...]
    revocations: tuple[float, ...]
    identity_outage: Outage
    portal_outage: Outage
    storage_restart: Outage | None
    deletion: Deletion
    odd_until: float
    clocks_apart: float
    portal_clock: float

    @cached_property
    def offers(self) -> dict[str, Request]:
        """The requests by their offers."""
        return {request.offer_id: request for request in self.requests}

    @property
    def all(self) -> tuple[Request | Invalid, ...]:
        """What is sent, valid or not."""
        return (*(request for request in self.requests if request.deaths is None), *self.invalid)

    @property
    def copies(self) -> int:
        """How many messages are sent a second time."""
        return sum(message.again_at is not None for message in self.all)

    @property
    def messages(self) -> int:
        """How many messages are sent."""
        return len(self.all) + self.copies

    def fault(self, offer_id: str, kind: Kind, number: int) -> Fault | None:
        """The fault of an offer's `number`-th call of the kind."""
        if self.offers[offer_id].deaths is not None:
            return draw_fatal_fault(self.seed, offer_id, kind, number)

        return draw_fault(self.seed, offer_id, kind, number)

    def latency(self, offer_id: str, kind: Kind, number: int) -> float:
        """How long the portal takes for that call."""
        return draw_latency(self.seed, offer_id, kind, number)

    def dress(self, offer_id: str, kind: Kind, number: int) -> Dress:
        """What the answer to that call carries besides."""
        return draw_dress(self.seed, offer_id, kind, number)

    def odd_answer(self, service: str, number: int) -> Oddity | None:
        """What is odd about a storage service's `number`-th answer."""
        rng = rng_of("storage", self.seed, service, number)
        return rng.choice(list(Oddity)) if rng.random() < _ODD_ANSWERS else None


def make_plan(seed: int, size: Size) -> Plan:
    """Draws the plan; the same seed and size make the same one."""
    rng = Random(seed)  # noqa: S311 - a plan, no secret
    kills = _draw_kills(rng, size)
    identity_at, portal_at, storage_at = _apart(rng, size)
    # Where the identity endpoint is gone a revoked token hurts most.
    revocations = [identity_at + 0.2]
    revocations += [rng.uniform(1, size.seconds) for _ in range(size.revocations - 1)]
    invalid_count = max(2, round(size.requests * _INVALID))
    twice = set(rng.sample(range(size.requests), round(size.requests * _TWICE)))
    times = [_draw_time(rng, size, kills) for _ in range(size.requests)]
    guards = _draw_guards(rng, size.requests)
    expiring = set(rng.sample(range(size.requests), round(size.requests * _EXPIRING)))
    forms = rng.choices(list(_FORMS), list(_FORMS.values()), k=size.requests)
    # Sent twice, what has no id would be two requests.
    single = sorted(set(range(size.requests)) - twice)
    odd = rng.sample(single, round(size.requests * (_WITHOUT_ID + _UNDELIVERABLE)))
    undeliverable = set(odd[: round(size.requests * _UNDELIVERABLE)])
    without_id = set(odd) - undeliverable
    early = size.seconds * _EARLY
    for number in undeliverable:
        forms[number], times[number] = Form.UNDELIVERABLE, rng.uniform(0, early)
    # A sender that gets no answer sends again: what has no id would then be two requests, too.
    for number in without_id:
        while size.restarts_storage and abs(times[number] - storage_at) < _STORAGE_AWAY:
            times[number] = _draw_time(rng, size, kills)
        if forms[number] not in (Form.PLAIN, Form.BASE64):  # a CloudEvent always has an id
            forms[number] = Form.PLAIN
    return Plan(
        seed=seed,
        size=size,
        requests=(
            *(
                Request(
                    seed=seed,
                    number=number,
                    at=at,
                    again_at=_draw_again(rng, at, size) if number in twice else None,
                    form=forms[number],
                    expires_in=rng.uniform(1, 6) if number in expiring else None,
                    offer=draw_offer(rng, guards[number], size.polls),
                    has_id=number not in without_id,
                )
                for number, at in enumerate(times)
            ),
            *(_fatal(seed, size.requests + number) for number in range(size.fatal)),
        ),
        invalid=tuple(
            Invalid(
                number=number,
                at=(at := rng.uniform(0, early)),
                again_at=_draw_again(rng, at, size) if number == 0 else None,
                text=invalid_text(seed, number),
            )
            for number in range(invalid_count)
        ),
        kills=kills,
        revocations=tuple(sorted(revocations)),
        identity_outage=Outage(identity_at, size.outage),
        portal_outage=Outage(portal_at, size.outage),
        storage_restart=Outage(storage_at, 1.0) if size.restarts_storage else None,
        deletion=Deletion(rng.uniform(0.3, 0.7) * size.seconds, rng.choice(QUEUES)),
        odd_until=early,
        clocks_apart=rng.choice(_CLOCKS_APART),
        portal_clock=rng.choice(_PORTAL_CLOCK),
    )


def _fatal(seed: int, number: int) -> Request:
    """A request that lies in the ledger when the run begins, and kills who submits it."""
    return Request(
        seed=seed,
        number=number,
        at=0.0,
        again_at=None,
        form=Form.PLAIN,
        expires_in=None,
        offer=Offer(answer=200),
        deaths=_DEATHS,
    )


def _draw_kills(rng: Random, size: Size) -> tuple[Kill, ...]:
    """One in each of equal spans, so that a host is up again before its next kill."""
    first, last = size.kills_between
    span = (last - first) / size.kills
    targets = [number % 2 for number in range(size.kills)]
    rng.shuffle(targets)
    return tuple(
        Kill(first + span * (number + rng.random() * 0.4), target, rng.uniform(0.2, 0.8))
        for number, target in enumerate(targets)
    )


def _apart(rng: Random, size: Size) -> list[float]:
    """Three moments, one in each third of the sending time, in any order."""
    third = size.seconds / 3
    moments = [third * (number + rng.random() * 0.5) + 0.5 for number in range(3)]
    rng.shuffle(moments)
    return moments


def _draw_time(rng: Random, size: Size, kills: tuple[Kill, ...]) -> float:
    if rng.random() < 0.5:
        return rng.uniform(0, size.seconds)
    return max(0.0, rng.choice(kills).at - rng.uniform(*_BURST))


def _draw_again(rng: Random, at: float, size: Size) -> float:
    return min(at + rng.uniform(0, rng.choice(_AGAIN_WITHIN)), size.seconds)


def _draw_guards(rng: Random, count: int) -> list[Guard]:
    guards = [guard for guard, share in _GUARDED.items() for _ in range(round(count * share))]
    guards += [Guard.NONE] * (count - len(guards))
    rng.shuffle(guards)
    return guards
