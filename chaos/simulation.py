"""The portal as it might really behave: each offer has a state, and one call in five goes wrong.

An operation of each offer has been running for an hour. A cancel call that is acted on ends it;
whether the caller learns of that is another matter. What is asked later is answered truthfully.
Nothing here listens: `SimulatedPortal` puts it behind the strict portal of the local stack.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from aiohttp import web

from chaos.dress import DressedAnswer, dressed
from chaos.faults import Fault, FaultKind
from chaos.messages import Request
from chaos.offers import PUBLISHER, Guard, Place
from chaos.plan import Plan
from local.identity import Identity
from local.portal.portal import Portal
from local.portal.rules import API_VERSION
from local.portal.script import NOT_FOUND, Answer, Kind
from local.portal.script import Fault as Failure

_HTML = "<html><body><h1>Bad Gateway</h1></body></html>"
_OLD, _NEW, _OVER = Guard.RUNNING.name, "CANCELLATION", Guard.OVER.name
_VERSION = f"api-version={API_VERSION}"
_FAILURES = {
    FaultKind.RESET: Failure.RESET_AFTER,  # whether it was acted on is decided before
    FaultKind.HANG: Failure.HANG,
    FaultKind.TRUNCATED: Failure.TRUNCATE,
    FaultKind.FATAL: Failure.HANG,  # whoever waits for it is killed
}


@dataclass(frozen=True, slots=True)
class Call:
    """One call that the portal took. `status` is what it would answer without a fault."""

    at: float
    kind: Kind
    offer_id: str
    number: int
    status: int
    fault: Fault | None
    acted: bool = False  # this call cancelled what ran
    needless: bool = False  # it was to cancel what was cancelled already


@dataclass(slots=True)
class _State:
    request: Request
    is_cancelled: bool = False
    cancelled_at: datetime | None = None  # by the portal's clock
    reads: int = 0  # of the operation, since
    calls: Counter[Kind] = field(default_factory=Counter)


class Simulation:
    """All offers of a plan; `clock` gives seconds from the start, `now` the time of day."""

    def __init__(self, plan: Plan, clock: Callable[[], float], now: Callable[[], datetime]) -> None:
        self.calls: list[Call] = []
        self.strays: list[str] = []  # calls for offers that nobody validly asked to cancel
        self._plan = plan
        self._clock = clock
        self._now = now
        self._began = self.api_now() - timedelta(hours=1)
        self._offers = {offer_id: _State(request) for offer_id, request in plan.offers.items()}

    @property
    def plan(self) -> Plan:
        """What it follows."""
        return self._plan

    def api_now(self) -> datetime:
        """The time by the portal's own clock."""
        return self._now() + timedelta(seconds=self._plan.portal_clock)

    def is_cancelled(self, offer_id: str) -> bool:
        """Whether what ran for the offer runs no more."""
        return self._offers[offer_id].is_cancelled

    def answer(
        self, kind: Kind, offer_id: str, operation_id: str = "", *, running_only: bool = False
    ) -> Answer:
        """Take a call: act on it unless its fault forbids, then answer unless that goes wrong."""
        state = self._offers.get(offer_id)
        if state is None:
            self.strays.append(f"{kind} {offer_id}")
            return NOT_FOUND
        number = state.calls[kind]
        state.calls[kind] += 1
        fault = self._plan.fault(offer_id, kind, number)
        before = state.is_cancelled
        takes_effect = fault is None or fault.acted
        trial = state if takes_effect else replace(state)
        match kind:
            case "cancel":
                truth = _cancel(trial, self.api_now())
            case "operation":
                truth = self._operation(trial, operation_id)
            case "submissions":
                truth = self._submissions(trial, running_only=running_only)
        self.calls.append(
            Call(
                at=self._clock(),
                kind=kind,
                offer_id=offer_id,
                number=number,
                status=truth.status,
                fault=fault,
                acted=state.is_cancelled and not before,
                needless=kind == "cancel" and before and takes_effect,
            )
        )
        answer = replace(truth, delay_seconds=self._plan.latency(offer_id, kind, number))
        return _spoilt(answer, fault, self._now()) if fault else answer

    def _operation(self, state: _State, operation_id: str) -> Answer:
        request, offer = state.request, state.request.offer
        if operation_id == request.operation_id(_OVER):
            return self._described(request, _OVER, "completed")
        if operation_id == request.operation_id(_OLD):
            followed = state.is_cancelled and _followed(request) == _OLD
            status = _progress(state) if followed else _plainly(state)
            return self._described(request, _OLD, status)
        if operation_id not in (request.operation_id(_NEW), _slot_id(request)):
            return NOT_FOUND
        if not state.is_cancelled:
            return NOT_FOUND
        if state.reads < offer.missing:
            state.reads += 1
            return NOT_FOUND
        return self._described(request, _NEW, _progress(state))

    def _submissions(self, state: _State, *, running_only: bool) -> Answer:
        request = state.request
        status = _plainly(state)
        if state.is_cancelled and request.offer.place is Place.NOWHERE:
            status = _progress(state)  # all that its caller can watch
        items = [] if running_only and status != "running" else [(_OLD, status)]
        items += [] if running_only else [(_OVER, "completed")]
        return Answer(
            200,
            [
                {
                    "id": request.operation_id(name),
                    "offerId": request.offer_id,
                    "submissionType": "publish",
                    "submissionState": state_word,
                    **self._dates(state, name),
                }
                for name, state_word in items
            ],
        )

    def _dates(self, state: _State, name: str) -> dict[str, str]:
        if not state.request.offer.dated:
            return {}

        created, changed = self._began, state.cancelled_at or self._began
        if name == _OVER:
            created, changed = created - timedelta(hours=2), created - timedelta(hours=1)
        return {"createdDateTime": created.isoformat(), "changedTime": changed.isoformat()}

    def _described(self, request: Request, name: str, status: str) -> Answer:
        operation: dict[str, object] = {
            "id": request.operation_id(name),
            "status": status,
            "createdDateTime": self._began.isoformat(),
            "messages": [],
            "steps": [{"stepName": "Cancel", "status": status, "messages": []}],
        }
        if status == "failed":
            operation["error"] = {"code": "CancelFailed", "message": "<b>It was too late.</b>"}
        return Answer(200, [operation] if request.number % 2 else operation)


class SimulatedPortal(Portal):
    """The local stack's portal, as strict as ever, answering by the simulation."""

    def __init__(self, identity: Identity, simulation: Simulation) -> None:
        super().__init__(identity)
        self.kill_caller: Callable[[int], None] | None = None  # by the port that it calls from
        self._simulation = simulation

    def respond(self, request: web.Request, kind: Kind, publisher: str, offer: str) -> Answer:
        """Decide on an answer, by the offer's state, and dress it."""
        offer_id = offer if publisher == PUBLISHER else f"{publisher}/{offer}"
        answer = self._simulation.answer(
            kind,
            offer_id,
            request.match_info.get("id", ""),
            running_only="status" in request.query,
        )
        call = self._simulation.calls[-1] if self._simulation.calls else None
        if call is None or call.offer_id != offer_id:
            return answer

        if call.fault and call.fault.kind is FaultKind.FATAL:
            self._kill(request)
        dress = self._simulation.plan.dress(offer_id, kind, call.number)
        authorization = request.headers.get("Authorization", "")
        return dressed(answer, dress, authorization, self._simulation.api_now())

    def _kill(self, request: web.Request) -> None:
        if self.kill_caller and request.transport:
            self.kill_caller(request.transport.get_extra_info("peername")[1])

    async def _send(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        response = await super()._send(request, answer)
        if isinstance(answer, DressedAnswer) and not response.prepared:
            for name, value in answer.again:
                response.headers.add(name, value.replace("{url}", self.url))

        return response


def _cancel(state: _State, now: datetime) -> Answer:
    """The cancel call, where it is acted on."""
    request, offer = state.request, state.request.offer
    if state.is_cancelled:
        return Answer(200, {"message": "Nothing of the offer runs any more."})
    if 400 <= offer.answer < 500:
        error = {"code": "NotNow", "message": f"{offer.answer}, whatever you do."}
        return Answer(offer.answer, {"error": error})
    state.is_cancelled, state.cancelled_at = True, now
    if offer.answer != 202:
        return Answer(200, {"message": "Cancelled."})
    base = f"/api/publishers/{PUBLISHER}/offers/{request.offer_id}/operations"
    path = f"{base}/{request.operation_id(_followed(request))}"
    slot = f"/api/operations/{_slot_id(request)}"
    headers = {
        Place.LOCATION: {"Location": f"{path}?{_VERSION}"},
        Place.SLOT: {"Location": f"{slot}?{_VERSION}"},
        Place.ABSOLUTE: {"Location": f"{{url}}{path}?{_VERSION}"},
        Place.OPERATION_LOCATION: {"Operation-Location": f"{{url}}{path}"},
        Place.ELSEWHERE: {"Location": f"https://elsewhere.example.com{path}"},
    }
    bodies: dict[Place, object] = {
        Place.TEXT: f"{path}?{_VERSION}",
        Place.OBJECT: {"operationLocation": path},
    }
    body = bodies.get(offer.place, {"message": "The cancellation is in progress."})
    return Answer(202, body, headers.get(offer.place, {}))


def _followed(request: Request) -> str:
    """Which operation the location names: the cancelled one, or one of the cancellation's own."""
    return _OLD if request.offer.end == "canceled" else _NEW


def _slot_id(request: Request) -> str:
    return f"{PUBLISHER}${request.offer_id}$2$preview"


def _plainly(state: _State) -> str:
    return "canceled" if state.is_cancelled else "running"


def _progress(state: _State) -> str:
    """The status of what a caller follows, one read further."""
    offer = state.request.offer
    state.reads += 1
    return "running" if state.reads <= offer.missing + offer.running else offer.end


def _spoilt(answer: Answer, fault: Fault, now: datetime) -> Answer:
    """What reaches the caller of that answer."""
    if fault.kind is FaultKind.TRICKLING:
        return replace(answer, fault=Failure.TRICKLE, delay_seconds=fault.pause)
    if fault.kind in _FAILURES:
        return replace(answer, fault=_FAILURES[fault.kind])
    # By a gateway's clock, which is right.
    moment = format_datetime((now + timedelta(seconds=2)).astimezone(UTC), usegmt=True)
    throttled = {"error": {"code": "TooManyRequests", "message": "Slow down."}}
    answers = {
        FaultKind.THROTTLED_SECONDS: Answer(429, throttled, {"Retry-After": "1"}),
        FaultKind.THROTTLED_DATE: Answer(429, throttled, {"Retry-After": moment}),
        FaultKind.THROTTLED_BARE: Answer(429),
        FaultKind.ERROR: Answer(500, {"error": {"code": "Internal", "message": "Alas."}}),
        FaultKind.GATEWAY: Answer(502, _HTML),
        FaultKind.UNAVAILABLE: Answer(503),
        FaultKind.GATEWAY_TIMEOUT: Answer(504, _HTML),
    }
    return replace(answers[fault.kind], delay_seconds=answer.delay_seconds)
