"""The simulated portal: what an offer's state makes of a call, and what a fault makes of that."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from chaos.faults import Fault, FaultKind
from chaos.offers import Guard, Offer, Place
from chaos.plan import SHORT, Plan, make_plan
from chaos.simulation import Simulation
from local.portal.script import Answer, Kind
from local.portal.script import Fault as Failure

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)
OFFER = "offer-001"


class _Calm(Plan):
    """A plan without faults but those it is told of, by kind and number."""

    faults: dict[tuple[Kind, int], Fault]

    def fault(self, offer_id: str, kind: Kind, number: int) -> Fault | None:
        del offer_id
        return self.faults.get((kind, number))


def _simulation(offer: Offer, faults: dict[tuple[Kind, int], Fault] | None = None) -> Simulation:
    plan = make_plan(1, SHORT)
    requests = tuple(replace(request, offer=offer) for request in plan.requests)
    calm = _Calm(**{**vars(plan), "requests": requests})
    object.__setattr__(calm, "faults", faults or {})
    return Simulation(calm, lambda: 1.5, lambda: NOW)


def _location(answer: Answer) -> str:
    """The id at the end of a location, wherever it is."""
    found = {**answer.headers}
    if isinstance(answer.body, dict):
        found |= {name: value for name, value in answer.body.items() if name != "message"}
    values = list(found.values()) or [str(answer.body)]
    return str(values[0]).partition("?")[0].rpartition("/")[2]


def _status(answer: Answer) -> Any:
    body: Any = answer.body
    if answer.status != 200:
        return answer.status
    return (body[0] if isinstance(body, list) else body)["status"]


def _states(answer: Answer) -> list[str]:
    body: Any = answer.body
    return [item["submissionState"] for item in body]


@pytest.mark.parametrize(
    "place", [p for p in Place if p not in (Place.NOWHERE, Place.ELSEWHERE)], ids=lambda p: p.name
)
@pytest.mark.parametrize("end", ["completed", "canceled", "failed"])
def test_an_operation_is_missing_then_runs_then_ends(place: Place, end: str) -> None:
    """The location of a 202 can be followed to the end that was drawn."""
    simulation = _simulation(Offer(answer=202, place=place, missing=1, running=2, end=end))

    accepted = simulation.answer("cancel", OFFER)
    where = _location(accepted)
    seen = [_status(simulation.answer("operation", OFFER, where)) for _ in range(5)]

    assert 202 == accepted.status
    if end == "canceled" and place is not Place.SLOT:  # the old operation, which is never missing
        assert ["running", "running", "running", "canceled", "canceled"] == seen
    else:
        assert seen == [404, "running", "running", end, end]


def test_nothing_runs_any_more_once_a_post_was_acted_on() -> None:
    """The list says so at once, and a second POST has nothing to cancel."""
    simulation = _simulation(Offer(answer=200))

    before = simulation.answer("submissions", OFFER, running_only=True)
    simulation.answer("cancel", OFFER)
    after = simulation.answer("submissions", OFFER, running_only=True)
    again = simulation.answer("cancel", OFFER)

    assert ["running"] == _states(before)
    assert [] == _states(after)
    assert 200 == again.status
    assert [False, True] == [call.needless for call in simulation.calls if call.kind == "cancel"]


def test_what_runs_began_an_hour_before() -> None:
    """The list, or else the operation itself, says when it began."""
    simulation = _simulation(Offer(answer=200, dated=False))
    listed: Any = simulation.answer("submissions", OFFER, running_only=True).body
    described: Any = simulation.answer("operation", OFFER, listed[0]["id"]).body
    operation = described[0] if isinstance(described, list) else described

    assert "createdDateTime" not in listed[0]
    assert "2030-01-31T11:00:00+00:00" == operation["createdDateTime"]


def test_without_a_location_the_list_shows_the_progress() -> None:
    """An offer whose 202 names no location runs on in the list for a while."""
    simulation = _simulation(Offer(answer=202, place=Place.NOWHERE, running=1, end="canceled"))

    simulation.answer("cancel", OFFER)
    seen = [_states(simulation.answer("submissions", OFFER))[0] for _ in range(2)]

    assert ["running", "canceled"] == seen


def test_a_definitive_refusal_cancels_nothing() -> None:
    """After a 4xx the operation runs on, however often it is asked."""
    simulation = _simulation(Offer(answer=409))

    answers = [simulation.answer("cancel", OFFER).status for _ in range(2)]

    assert [409, 409] == answers
    assert not simulation.is_cancelled(OFFER)


@pytest.mark.parametrize("acted", [True, False])
@pytest.mark.parametrize("kind", [FaultKind.ERROR, FaultKind.RESET, FaultKind.HANG])
def test_a_fault_hides_whether_the_post_was_acted_on(kind: FaultKind, acted: bool) -> None:
    """The caller sees the same in both cases; only one of them cancelled something."""
    simulation = _simulation(Offer(answer=200), {("cancel", 0): Fault(kind, acted)})

    answer = simulation.answer("cancel", OFFER)

    assert answer.status == 500 or answer.fault in (
        Failure.RESET_AFTER,
        Failure.HANG,
    )
    assert acted == simulation.is_cancelled(OFFER)
    assert acted == simulation.calls[0].acted


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (FaultKind.THROTTLED_SECONDS, "1"),
        (FaultKind.THROTTLED_DATE, "Thu, 31 Jan 2030 12:00:02 GMT"),
        (FaultKind.THROTTLED_BARE, None),
    ],
)
def test_a_429_asks_for_time_in_every_form(kind: FaultKind, expected: str | None) -> None:
    """Seconds, an HTTP date, nothing at all."""
    simulation = _simulation(Offer(answer=200), {("cancel", 0): Fault(kind, acted=False)})

    answer = simulation.answer("cancel", OFFER)

    assert 429 == answer.status
    assert expected == answer.headers.get("Retry-After")


def test_a_502_is_html() -> None:
    """What a gateway says is no JSON."""
    simulation = _simulation(Offer(answer=200), {("cancel", 0): Fault(FaultKind.GATEWAY, False)})

    body, _ = simulation.answer("cancel", OFFER).render("")

    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(body)


def test_guards_name_operations_that_are_what_they_say() -> None:
    """One runs, one is over, one there never was."""
    simulation = _simulation(Offer(answer=200))
    request = make_plan(1, SHORT).offers[OFFER]

    seen = [
        _status(simulation.answer("operation", OFFER, request.operation_id(guard.name)))
        for guard in (Guard.RUNNING, Guard.OVER, Guard.UNKNOWN)
    ]

    assert ["running", "completed", 404] == seen


def test_a_call_for_nobodys_offer_is_noted() -> None:
    """An invalid message must not lead to a call; if it does, that shows."""
    simulation = _simulation(Offer(answer=200))

    answer = simulation.answer("cancel", "invalid-001")

    assert 404 == answer.status
    assert ["cancel invalid-001"] == simulation.strays
