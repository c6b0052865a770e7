"""The plan: a function of its seed, in the proportions that were asked for."""

import json
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from chaos.faults import SHARE, THROTTLES, FaultKind, draw_fault
from chaos.messages import Form
from chaos.offers import Guard, Place
from chaos.plan import FULL, QUEUES, SHORT, Size, make_plan
from chaos.storage_proxy import Oddity
from local.portal.script import Kind
from offer_cancellation.request import CancelRequest, InvalidRequest, parse

STARTED = datetime(2030, 1, 31, 12, tzinfo=UTC)
SIZES = pytest.mark.parametrize("size", [FULL, SHORT], ids=["full", "short"])
CALLS: tuple[Kind, ...] = ("cancel", "operation", "submissions")


@SIZES
def test_the_same_seed_makes_the_same_plan(size: Size) -> None:
    """Requests, kills, outages and the fault of every call follow from the seed alone."""
    one, other = make_plan(7, size), make_plan(7, size)

    assert one == other
    for kind in CALLS:
        assert [one.fault("offer-001", kind, n) for n in range(50)] == [
            other.fault("offer-001", kind, n) for n in range(50)
        ]


def test_another_seed_makes_another_plan() -> None:
    """Two seeds share neither times nor faults."""
    one, other = make_plan(1, FULL), make_plan(2, FULL)

    assert one.kills != other.kills
    assert [r.at for r in one.requests] != [r.at for r in other.requests]
    assert [one.fault("offer-001", "cancel", n) for n in range(50)] != [
        other.fault("offer-001", "cancel", n) for n in range(50)
    ]


def test_a_fifth_of_all_calls_goes_wrong_in_every_way() -> None:
    """Each kind of fault comes up, and both halves of those that have two."""
    plan = make_plan(1, FULL)
    drawn = [draw_fault(plan.seed, f"offer-{o}", kind, n) for o in range(500) for kind in CALLS
             for n in range(4)]  # fmt: skip
    faults = [fault for fault in drawn if fault]
    halves = {(fault.kind, fault.acted) for fault in faults}
    both = {kind for kind in FaultKind if {(kind, True), (kind, False)} <= halves}

    assert len(faults) / len(drawn) == pytest.approx(SHARE, abs=0.02)
    assert {fault.kind for fault in faults} == set(FaultKind) - {FaultKind.FATAL}
    assert both == {
        FaultKind.ERROR,
        FaultKind.GATEWAY,
        FaultKind.GATEWAY_TIMEOUT,
        FaultKind.RESET,
        FaultKind.HANG,
    }
    assert not any(fault.acted for fault in faults if fault.kind in THROTTLES)


@SIZES
def test_the_proportions_are_those_promised(size: Size) -> None:
    """A tenth is sent twice, a few per cent are invalid, guarded or short of time."""
    plan = make_plan(3, size)
    guards = Counter(request.offer.guard for request in plan.requests)

    sent = [request for request in plan.requests if request.deaths is None]
    assert len(sent) == size.requests
    assert len(plan.requests) - len(sent) == size.fatal
    assert sum(not r.has_id for r in sent) >= size.requests // 15
    assert sum(r.form is Form.UNDELIVERABLE for r in sent) == round(size.requests * 0.05)
    assert sum(r.again_at is not None for r in plan.requests) == size.requests // 10
    assert 2 <= len(plan.invalid) <= size.requests // 10
    assert guards[Guard.RUNNING] == round(size.requests * 0.05)
    assert sum(r.expires_in is not None for r in plan.requests) == round(size.requests * 0.05)
    assert plan.messages == len(sent) + len(plan.invalid) + plan.copies


def test_every_form_and_every_place_comes_up() -> None:
    """A full plan sends all forms of messages and has all places of a location."""
    plan = make_plan(4, FULL)

    assert {request.form for request in plan.requests} == set(Form)
    assert {r.offer.place for r in plan.requests if r.offer.answer == 202} == set(Place)
    assert {200, 202} < {request.offer.answer for request in plan.requests}


@SIZES
def test_both_hosts_are_killed_and_up_again_before_the_next_kill(size: Size) -> None:
    """Kills are as many as promised, in their span, and apart."""
    kills = make_plan(5, size).kills
    first, last = size.kills_between

    assert len(kills) == size.kills
    assert {0, 1} == {kill.target for kill in kills}
    assert all(first <= kill.at <= last for kill in kills)
    assert all(after.at - before.at > 0.5 for before, after in pairwise(kills))


@SIZES
def test_the_app_takes_requests_for_requests_and_invalid_ones_for_invalid(size: Size) -> None:
    """What the plan calls valid is valid, with the id it says; the rest is not."""
    plan = make_plan(6, size)

    for request in plan.requests:
        parsed = parse(request.text(STARTED), "message")
        assert isinstance(parsed, CancelRequest)
        assert parsed.request_id == (request.request_id if request.has_id else "msg-message")
        assert parsed.offer_id == request.offer_id
        assert parsed.notification_emails == list(request.emails)
        assert (parsed.expires_at is None) == (request.expires_in is None)
    for invalid in plan.invalid:
        assert isinstance(parse(invalid.text, "message"), InvalidRequest)
    assert len({invalid.text for invalid in plan.invalid}) == len(plan.invalid)


@SIZES
def test_what_has_no_id_is_sent_once(size: Size) -> None:
    """Sent twice it would be two requests: nobody could tell."""
    without_id = [request for request in make_plan(8, size).requests if not request.has_id]

    assert without_id
    assert {None} == {request.again_at for request in without_id}
    assert {request.form for request in without_id} <= {Form.PLAIN, Form.BASE64}


def test_some_requests_kill_who_cancels_them() -> None:
    """They lie in the ledger when the run begins; what only reads them lives."""
    plan = make_plan(1, FULL)
    fatal = [request.offer_id for request in plan.requests if request.deaths is not None]

    faults = [plan.fault(fatal[0], "cancel", number) for number in range(3)]

    assert FULL.fatal == len(fatal)
    assert [FaultKind.FATAL, FaultKind.FATAL, None] == [fault and fault.kind for fault in faults]
    assert plan.fault(fatal[0], "submissions", 0) is None


def test_the_storage_answers_oddly_in_every_way() -> None:
    """Now and then, and early: what the host gives up is hidden for a minute after a fault."""
    plan = make_plan(1, FULL)
    drawn = [plan.odd_answer(service, n) for service in ("queue", "table") for n in range(1000)]
    odd = [oddity for oddity in drawn if oddity]

    assert set(odd) == set(Oddity)
    assert len(odd) / len(drawn) == pytest.approx(0.03, abs=0.015)
    assert plan.odd_until < FULL.seconds / 2


def test_clocks_and_deletions_follow_from_the_seed() -> None:
    """Over the seeds the apps' clocks are apart both ways, and each queue is deleted."""
    plans = [make_plan(seed, SHORT) for seed in range(20)]

    assert {-3.0, 3.0} == {plan.clocks_apart for plan in plans}
    assert {plan.deletion.queue for plan in plans} == set(QUEUES)
    assert len({plan.portal_clock for plan in plans}) > 2


def test_an_invalid_message_keeps_the_id_of_its_queue_message() -> None:
    """None of them is a JSON object with an `id`, which the host would take for the message's."""
    for invalid in make_plan(1, FULL).invalid:
        try:
            document = json.loads(invalid.text)
        except ValueError:
            continue
        assert "id" not in document
