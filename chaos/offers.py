"""What an offer is like: what its cancel call answers, and how its operation goes on. Data only."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import TypeVar

PUBLISHER = "contoso"

_T = TypeVar("_T")


class Place(StrEnum):
    """Where a 202 puts the location of its operation."""

    LOCATION = "Location, relative"
    SLOT = "Location, relative, of a slot"
    ABSOLUTE = "Location, absolute, with api-version"
    OPERATION_LOCATION = "Operation-Location, absolute, without api-version"
    TEXT = "the body, a JSON string"
    OBJECT = "the body, an object"
    NOWHERE = "nowhere"
    ELSEWHERE = "Location, another origin"


class Guard(StrEnum):
    """Which operation the request names, if any."""

    NONE = "none"
    RUNNING = "the one that runs"
    OVER = "one that is completed"
    UNKNOWN = "one that there never was"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One offer. An operation of it has been running since long before the request.

    `answer`: the status of the cancel call; a definitive 4xx never cancels anything.
    `missing`, `running`: how many reads of the operation answer 404, then `running`; `end`: what
    it answers then. `dated`: whether the list says when an operation began.
    """

    answer: int
    place: Place = Place.LOCATION
    missing: int = 0
    running: int = 0
    end: str = "completed"
    dated: bool = True
    guard: Guard = Guard.NONE


# Share of each answer of the cancel call among the offers.
_ANSWERS = {202: 62, 200: 28, 400: 3, 403: 2, 404: 2, 409: 2, 422: 1}
_PLACES = {
    Place.LOCATION: 30,
    Place.SLOT: 12,
    Place.ABSOLUTE: 12,
    Place.OPERATION_LOCATION: 14,
    Place.TEXT: 9,
    Place.OBJECT: 9,
    Place.NOWHERE: 11,
    Place.ELSEWHERE: 3,
}
_ENDS = {"completed": 40, "Succeeded": 20, "canceled": 35, "failed": 5}
_DATED = 0.7


def draw_offer(rng: Random, guard: Guard, polls: int) -> Offer:
    """Draws an offer whose operation runs for at most so many polls; its guard is given."""
    return Offer(
        answer=_pick(rng, _ANSWERS),
        place=_pick(rng, _PLACES),
        missing=_pick(rng, {0: 70, 1: 15, polls // 2: 15}),
        running=rng.randint(1, polls),
        end=_pick(rng, _ENDS),
        dated=rng.random() < _DATED,
        guard=guard,
    )


def _pick(rng: Random, shares: Mapping[_T, int]) -> _T:
    return rng.choices(list(shares), list(shares.values()))[0]
