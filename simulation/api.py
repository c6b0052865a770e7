"""The publishing API as it might really behave: each offer has operations that live in time.

An operation of each offer has been running for an hour. A cancel call that is acted on ends it,
at once or after a while; reads tell the truth. What gets lost on the way is the network's doing.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from uuid import UUID

from simulation.identity import Identity
from simulation.wire import Request, Response

HOST = "api.simulated"
URL = f"https://{HOST}"
ELSEWHERE = "elsewhere.simulated"  # another origin, which no token may reach
RESOURCE = "https://cloudpartner.azure.com"
VERSION = "api-version=2017-10-31"
PUBLISHER = "contoso"
_OFFER = re.compile(r"/api/publishers/contoso/offers/(?P<offer>[^/]+)/(?P<rest>.*)")
_NEVER = float("inf")


@dataclass(slots=True)
class Operation:
    """Something that runs for an offer; times in seconds since the epoch."""

    id: str
    began: float
    ends_at: float = _NEVER
    end: str = "completed"
    canceled_at: float | None = None  # when a cancel call was first acted on

    def status(self, now: float) -> str:
        """What the API calls its state."""
        return "running" if now < self.ends_at else self.end


@dataclass(frozen=True, slots=True)
class Manners:
    """How the API treats one offer, by the seed."""

    accepts: str = "200"  # 200, 202 location, body, bare or elsewhere, a definitive 4xx
    seconds: float = 0.0  # from the cancel call until the operation has ended
    end: str = "canceled"
    missing: float = 0.0  # seconds in which a new location is not yet found
    idle: int = 409  # what a cancel call gets when nothing runs
    is_dated: bool = True  # operations tell when they began


@dataclass(slots=True)
class Offer:
    """An offer's operations, the oldest first."""

    name: str
    manners: Manners
    operations: list[Operation] = field(default_factory=list)
    posts: int = 0  # cancel calls that arrived

    def running(self, now: float) -> Operation | None:
        """What runs, the newest if several do."""
        found = [o for o in self.operations if o.status(now) == "running"]
        return found[-1] if found else None


class Api:
    """Answers requests for the offers it knows; `now` gives seconds since the epoch."""

    def __init__(self, identity: Identity, now: Callable[[], float]) -> None:
        self._identity = identity
        self._now = now
        self.offers: dict[str, Offer] = {}

    def add(self, name: str, manners: Manners) -> Offer:
        """Makes an offer with an operation that has been running for an hour."""
        operation = Operation(operation_id(name, 0), self._now() - 3600)
        offer = self.offers[name] = Offer(name, manners, [operation])
        return offer

    def begin_another(self, offer: Offer) -> None:
        """Something new runs for the offer: not this request's to cancel."""
        number = len(offer.operations)
        offer.operations.append(Operation(operation_id(offer.name, number), self._now()))

    def __call__(self, request: Request) -> Response:
        """Acts on one request."""
        if not self._identity.is_good(request.bearer, RESOURCE):
            return self._json(401, {"error": {"code": "Unauthorized", "message": "no good token"}})
        match = _OFFER.fullmatch(request.path)
        offer = self.offers.get(match["offer"]) if match else None
        if offer is None or match is None:
            return self._json(404, {"error": {"code": "NotFound", "message": "no such offer"}})

        rest = match["rest"]
        if request.method == "POST" and rest == "cancel":
            return self._cancel(offer)
        if rest == "submissions/":
            return self._list(offer, only_running="status" in request.query)
        return self._read(offer, rest.removeprefix("operations/"))

    def _cancel(self, offer: Offer) -> Response:
        offer.posts += 1
        now, manners = self._now(), offer.manners
        operation = offer.running(now)
        if operation is None:
            return self._json(manners.idle, {"error": {"code": "Idle", "message": "nothing runs"}})
        if manners.accepts.startswith("4"):
            error = {"code": "NotNow", "message": "not this one"}
            return self._json(int(manners.accepts), {"error": error})

        if operation.canceled_at is None:
            operation.canceled_at = now
            operation.ends_at, operation.end = now + manners.seconds, manners.end
        if manners.accepts == "200":
            return self._json(200, {"message": "Canceled."})
        path = f"/api/publishers/{PUBLISHER}/offers/{offer.name}/operations/{operation.id}"
        location = f"{path}?{VERSION}"
        body = location if manners.accepts == "202 body" else {"message": "in progress"}
        headers = {
            "202 location": {"Location": location},
            "202 elsewhere": {"Location": f"https://{ELSEWHERE}{location}"},
        }.get(manners.accepts, {})
        return self._json(202, body, headers)

    def _list(self, offer: Offer, *, only_running: bool) -> Response:
        items = [self._described(offer, o) for o in reversed(offer.operations)]
        if only_running:
            items = [i for i in items if i["submissionState"] == "running"]
        return self._json(200, items)

    def _read(self, offer: Offer, name: str) -> Response:
        found = next((o for o in offer.operations if o.id == name), None)
        is_new = (
            found is not None
            and found.canceled_at is not None
            and self._now() < found.canceled_at + offer.manners.missing
        )
        if found is None or is_new:
            return self._json(404, {"error": {"code": "NotFound", "message": "no such operation"}})
        described = self._described(offer, found)
        return self._json(200, {**described, "status": described["submissionState"]})

    def _described(self, offer: Offer, operation: Operation) -> dict[str, object]:
        now = self._now()
        item: dict[str, object] = {
            "id": operation.id,
            "submissionState": operation.status(now),
            "submissionType": "publish",
        }
        if offer.manners.is_dated:
            item["createdDateTime"] = _iso(operation.began)
        if now >= operation.ends_at:
            item["changedTime"] = _iso(operation.ends_at)
        if operation.status(now) == "failed":
            item["error"] = {"code": "CancelFailed", "message": "too late"}
        return item

    def _json(self, status: int, body: object, headers: dict[str, str] | None = None) -> Response:
        date = format_datetime(datetime.fromtimestamp(self._now(), UTC), usegmt=True)
        return Response(
            status,
            {"Content-Type": "application/json", "Date": date, **(headers or {})},
            json.dumps(body).encode(),
        )


def operation_id(offer: str, number: int) -> str:
    """The id of an offer's operation: a GUID that both follow from."""
    return str(UUID(int=sum(map(ord, offer)) * 1000 + number + (1 << 100)))


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
