"""The faults that a call of the portal can meet: which, and whether it was acted on. Pure.

The fault of a call follows from the seed, the offer, the kind of call and its number alone, so
that it does not matter in which order two processes happen to call.
"""

from dataclasses import dataclass
from enum import StrEnum
from random import Random

from local.portal.script import Kind

SHARE = 0.2  # of all calls


class FaultKind(StrEnum):
    """What goes wrong."""

    THROTTLED_SECONDS = "429, Retry-After in seconds"
    THROTTLED_DATE = "429, Retry-After as a date"
    THROTTLED_BARE = "429 without Retry-After"
    ERROR = "500"
    GATEWAY = "502 with HTML"
    UNAVAILABLE = "503"
    GATEWAY_TIMEOUT = "504"
    RESET = "connection reset"
    HANG = "no answer"
    TRUNCATED = "truncated body"
    TRICKLING = "trickling body"
    FATAL = "its caller dies"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of one call. `acted`: the call took effect all the same.

    `pause`: seconds between the bytes of a trickling body: some arrive in time, some do not.
    """

    kind: FaultKind
    acted: bool
    pause: float = 0.0


THROTTLES = frozenset(
    {FaultKind.THROTTLED_SECONDS, FaultKind.THROTTLED_DATE, FaultKind.THROTTLED_BARE}
)
_NEVER_ACTED = THROTTLES | {FaultKind.UNAVAILABLE}  # refused before anything was done
_ALWAYS_ACTED = frozenset({FaultKind.TRUNCATED, FaultKind.TRICKLING})  # an answer began
# A 429 pauses a whole process: often enough to matter, and still something gets done.
_SHARES = {k: 1 if k in THROTTLES else 3 for k in FaultKind if k is not FaultKind.FATAL}
_PAUSES = (0.002, 0.05)
_FATAL_CALLS = 2
_LATENCY = (0.01, 0.4)  # seconds, least and most


def draw_fault(seed: int, offer_id: str, kind: Kind, number: int) -> Fault | None:
    """The fault of an offer's `number`-th call of the kind, or None."""
    rng = rng_of("fault", seed, offer_id, kind, number)
    if rng.random() >= SHARE:
        return None
    what = rng.choices(list(_SHARES), list(_SHARES.values()))[0]
    acted = what in _ALWAYS_ACTED or (what not in _NEVER_ACTED and rng.random() < 0.5)
    return Fault(what, acted, rng.choice(_PAUSES) if what is FaultKind.TRICKLING else 0.0)


def draw_fatal_fault(seed: int, offer_id: str, kind: Kind, number: int) -> Fault | None:
    """The fault of a call for an offer whose cancel calls kill who sends them, for a while."""
    if kind != "cancel" or number >= _FATAL_CALLS:
        return None

    acted = rng_of("fatal", seed, offer_id, number).random() < 0.5
    return Fault(FaultKind.FATAL, acted)


def draw_latency(seed: int, offer_id: str, kind: Kind, number: int) -> float:
    """How many seconds the portal takes for a call."""
    return rng_of("latency", seed, offer_id, kind, number).uniform(*_LATENCY)


def rng_of(*parts: object) -> Random:
    """Random numbers that follow from these alone."""
    return Random(":".join(map(str, parts)))  # noqa: S311 - a plan, no secret
