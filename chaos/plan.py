"""What a chaos run will do, drawn from its seed before anything starts. Pure.

Half of the messages are spread over the sending time, half come in bursts just before a kill, so
that a kill finds work in flight.
"""

from dataclasses import dataclass
from functools import cached_property
from random import Random

from chaos.faults import Fault, draw_fault, draw_latency
from chaos.messages import Form, Invalid, Request, invalid_text
from chaos.offers import Guard, draw_offer
from local.portal.script import Kind

_TWICE = 0.1
_INVALID = 0.04
_GUARDED = {Guard.RUNNING: 0.05, Guard.OVER: 0.02, Guard.UNKNOWN: 0.02}
_EXPIRING = 0.05
_FORMS = {
    Form.PLAIN: 30,
    Form.BASE64: 40,
    Form.EVENT: 10,
    Form.EVENT_BASE64: 12,
    Form.EVENT_ARRAY: 8,
}
_AGAIN_WITHIN = (0.1, 6.0)  # seconds from a message to its copy: hard on its heels, or later
_BURST = (0.05, 0.7)  # seconds before a kill


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done within how many seconds; see `FULL` and `SHORT`.

    `kills`: how many, between which seconds. `polls`: how often at most an operation is found to
    run. `faults`: how many the portal must have shown, or the run proves nothing. `limit`: when a
    run that has not settled is given up.
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
    limit: float


FULL = Size(
    requests=150, seconds=60, kills=12, kills_between=(4, 58), outage=4, restarts_storage=True,
    revocations=2, polls=4, faults=60, limit=300,
)  # fmt: skip
# A dead claimer's request is taken over 23 s later: the kills come early, and most runs take 35 s.
# On a busy machine they take longer; what has not settled by the limit hangs.
SHORT = Size(
    requests=40, seconds=7, kills=2, kills_between=(0.8, 2.2), outage=1.5, restarts_storage=False,
    revocations=1, polls=2, faults=15, limit=90,
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


@dataclass(frozen=True)
class Plan:
    """Everything that will be done; all times are seconds from the start."""

    seed: int
    size: Size
    requests: tuple[Request, ...]
    invalid: tuple[Invalid, ...]
    kills: tuple[Kill, ...]
    revocations: tuple[float, ...]
    identity_outage: Outage
    portal_outage: Outage
    storage_restart: Outage | None

    @cached_property
    def offers(self) -> dict[str, Request]:
        """The requests by their offers."""
        return {request.offer_id: request for request in self.requests}

    @property
    def all(self) -> tuple[Request | Invalid, ...]:
        """What is sent, valid or not."""
        return (*self.requests, *self.invalid)

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
        return draw_fault(self.seed, offer_id, kind, number)

    def latency(self, offer_id: str, kind: Kind, number: int) -> float:
        """How long the portal takes for that call."""
        return draw_latency(self.seed, offer_id, kind, number)


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
    return Plan(
        seed=seed,
        size=size,
        requests=tuple(
            Request(
                seed=seed,
                number=number,
                at=at,
                again_at=_draw_again(rng, at, size) if number in twice else None,
                form=forms[number],
                expires_in=rng.uniform(1, 6) if number in expiring else None,
                offer=draw_offer(rng, guards[number], size.polls),
            )
            for number, at in enumerate(times)
        ),
        invalid=tuple(
            Invalid(
                number=number,
                at=(at := _draw_time(rng, size, kills)),
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
    if rng.random() < 0.5:  # noqa: PLR2004 - half of them
        return rng.uniform(0, size.seconds)
    return max(0.0, rng.choice(kills).at - rng.uniform(*_BURST))


def _draw_again(rng: Random, at: float, size: Size) -> float:
    return min(at + rng.uniform(0, rng.choice(_AGAIN_WITHIN)), size.seconds)


def _draw_guards(rng: Random, count: int) -> list[Guard]:
    guards = [guard for guard, share in _GUARDED.items() for _ in range(round(count * share))]
    guards += [Guard.NONE] * (count - len(guards))
    rng.shuffle(guards)
    return guards
