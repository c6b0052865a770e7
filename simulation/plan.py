"""What a seed decides before its world begins: who is there, what is asked for, what may fail."""

from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from random import Random

from simulation.api import Manners
from simulation.chance import Chance

EPOCH = 1_935_000_000.0  # seconds: April 2031, so that a wall clock's time is seen at once
_ANSWERS = (
    "200",
    "200",
    "202 location",
    "202 location",
    "202 body",
    "202 bare",
    "202 elsewhere",
    "403",
    "409",
)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of a producer."""

    offer: str
    manners: Manners
    at: float  # virtual seconds
    kind: str = "plain"  # plain, anonymous (no id), guarded, short (expires soon), invalid
    repeats: tuple[float, ...] = ()  # sent again so many seconds later
    expires_in: float | None = None

    request_id: str | None = None  # that the producer gives it


@dataclass(frozen=True, slots=True)
class Plan:
    """The world of a seed. Seconds throughout."""

    seed: int
    machines: int
    skew: float  # a clock is off by at most so much
    drift: float  # and gains or loses at most so much a second
    api_timeout: int
    grace: int
    faults_end: float
    token_lifetime: float
    asked: tuple[Asked, ...]
    deadline_hours: int
    page: int  # entities on a page of the table service
    buckets: str  # the partitions that its requests are in

    @property
    def lease(self) -> float:
        """As the contract has it."""
        return 3 * self.api_timeout + 15


def bucket(request_id: str) -> str:
    """The partition of a request, as the contract has it."""
    return sha256(request_id.encode()).hexdigest()[0]


def make(chance: Chance) -> Plan:
    """The plan of a seed."""
    dice = chance.of("plan")
    skew = dice.choice([0.0, 0.5, 2.0])
    faults_end = dice.choice([120.0, 600.0, 600.0, 1800.0])
    count = dice.choice([1, 1, 1, 2, 2, 3])
    buckets = dice.choice(["0123456789abcdef", "3", "7c", "e1"])
    return Plan(
        seed=chance.seed,
        machines=dice.choice([1, 2, 2, 3]),
        skew=skew,
        drift=dice.choice([0.0, 1e-5]),
        api_timeout=dice.choice([5, 20, 100]),
        grace=dice.choice([60, 600]),
        faults_end=faults_end,
        token_lifetime=dice.choice([700.0, 3600.0, 86400.0]),
        asked=tuple(_asked(dice, number, faults_end, buckets) for number in range(count)),
        deadline_hours=dice.choice([1, 2, 2, 4]),
        page=dice.choice([1, 2, 1000]),
        buckets=buckets,
    )


def _asked(dice: Random, number: int, faults_end: float, buckets: str) -> Asked:
    kind = dice.choice(["plain"] * 5 + ["anonymous", "guarded", "short", "invalid"])
    seconds = dice.choice([0.0, 5.0, 45.0, 200.0])
    manners = Manners(
        accepts=dice.choice(_ANSWERS),
        seconds=seconds,
        end=dice.choice(["canceled"] * 5 + ["failed", "completed"]),
        missing=dice.choice([0.0, 0.0, 50.0]),
        idle=dice.choice([400, 404, 409]),
        is_dated=dice.random() < 0.7,
    )
    names = (f"id-{number}-{again}" for again in count())
    return Asked(
        offer=f"offer-{number}",
        request_id=None
        if kind == "anonymous"
        else next(name for name in names if bucket(name) in buckets),
        manners=manners,
        at=dice.uniform(0, faults_end / 4),
        kind=kind,
        repeats=tuple(dice.uniform(0, 400) for _ in range(dice.choice([0, 0, 0, 1, 2]))),
        expires_in=dice.choice([120.0, 900.0]) if kind == "short" else None,
    )
