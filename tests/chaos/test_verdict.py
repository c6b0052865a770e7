"""The judgement: a run as it should be passes, and whatever goes wrong sets off its figure."""

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from chaos.faults import Fault, FaultKind
from chaos.messages import Request
from chaos.observed import Event, Observed, Row, Sent, Snapshot, Trouble
from chaos.offers import Offer
from chaos.plan import SHORT, Plan, make_plan
from chaos.rule_one import broken, broken_at_rest
from chaos.simulation import Call
from chaos.storage_proxy import OddAnswer, Oddity
from chaos.verdict import Verdict, judge

PLAN = make_plan(1, replace(SHORT, faults=1, fatal=1))
ONE = PLAN.requests[0]
REQUESTED = "2030-01-31T12:00:00.000Z"


def _digest(request_id: str) -> str:
    return sha256(request_id.encode()).hexdigest()


def _row(request: Request, status: str = "canceled", **columns: object) -> Row:
    return Row(request.request_id, request.offer_id, status, "1", columns)


def _event(request: Request, status: str = "canceled", run: int = 1) -> Event:
    event_id = f"{request.request_id}:{REQUESTED}:{run}:{status}"
    body = {"data": {"requestedAt": REQUESTED}}
    source = "/offer-cancellation/local"
    return Event(9.0, source, event_id, request.request_id, request.offer_id, status, body)


def _rejected(text: str) -> Event:
    event_id = f"message:{sha256(text.encode()).hexdigest()}:rejected"
    return Event(9.0, "/offer-cancellation/local", event_id, "?", "", "rejected")


def _call(at: float = 1.0, fault: Fault | None = None, status: int = 200, **fields: Any) -> Call:
    return Call(at, "cancel", ONE.offer_id, 0, status, fault, **fields)


def _look(at: float) -> Call:
    return Call(at, "submissions", ONE.offer_id, 0, 200, None)


def _good(plan: Plan = PLAN) -> Observed:
    """A run in which everything went as promised."""
    requests = [r for r in plan.requests if r.deaths is None]
    sent = [Sent(r.at, f"m-{r.number}", r.offer_id, is_valid=True) for r in requests]
    sent += [Sent(r.again_at, "m", r.offer_id, is_valid=True) for r in requests
             if r.again_at is not None]  # fmt: skip
    invalid = [
        Sent(i.at, f"invalid-{i.number}-{copy}", i.text, is_valid=False)
        for i in plan.invalid
        for copy in range(1 if i.again_at is None else 2)
    ]
    return Observed(
        plan=plan,
        seconds=30,
        pending="",
        sent=(*sent, *invalid),
        ledger=Snapshot({_digest(r.request_id): _row(r) for r in plan.requests}),
        events=(
            *(_event(r) for r in plan.requests),
            *(_rejected(s.name) for s in invalid),
        ),
        rejected=tuple(s.name for s in invalid),
        calls=(_call(fault=Fault(FaultKind.RESET, acted=True), acted=True), _look(1.5), _call(2.0)),
        cancelled=frozenset(plan.offers),
        kills=plan.size.kills,
    )


def _off(verdict: Verdict) -> dict[str, int]:
    return {name: len(found) for name, found in verdict.figures.items() if found}


def _with_record(seen: Observed, record: Row, due: Mapping[str, frozenset[str]]) -> Observed:
    records = {**seen.ledger.records, _digest(record.request_id): record}
    return replace(seen, ledger=Snapshot(records, due))


def test_a_run_as_promised_passes() -> None:
    """Every figure is 0, and nothing is missing."""
    verdict = judge(_good())

    assert {} == _off(verdict)
    assert () == verdict.shortfalls
    assert verdict.passed


def test_a_repeated_event_is_fine() -> None:
    """At least once: the same event twice sets nothing off."""
    seen = _good()

    assert judge(replace(seen, events=(*seen.events, seen.events[0]))).passed


def test_a_request_without_an_event_is_lost() -> None:
    """A final record alone does not do."""
    seen = _good()

    verdict = judge(replace(seen, events=seen.events[1:]))

    assert {"lost": 1} == _off(verdict)
    assert [ONE.offer_id] == verdict.offenders


def test_a_request_without_a_record_is_lost() -> None:
    """An event alone does not do: only a record ends a valid request."""
    seen = _good()
    records = dict(seen.ledger.records)
    del records[_digest(ONE.request_id)]

    verdict = judge(replace(seen, ledger=Snapshot(records)))

    assert {"lost": 1, "ended in two statuses": 1} == _off(verdict)


def test_a_record_that_is_not_final_is_lost() -> None:
    """With its due row it keeps rule 1, but it has not ended, and its due row is left."""
    seen = _with_record(
        _good(),
        _row(ONE, "accepted"),
        {_digest(ONE.request_id): frozenset({"due-1"})},
    )
    events = tuple(e for e in seen.events if e.offer_id != ONE.offer_id)

    assert {"lost": 2, "rule 1 broken": 1} == _off(judge(replace(seen, events=events)))


@pytest.mark.parametrize("field", ["events", "rejected"])
def test_an_invalid_message_without_its_event_or_its_text_is_lost(field: str) -> None:
    """It has no record: the event and the kept text are all there is of it."""
    seen = _good()
    kept = getattr(seen, field)[:-1]

    assert {"lost": 1} == _off(judge(replace(seen, **{field: kept})))


def test_two_statuses_are_found_among_events() -> None:
    """Two events of one request must not differ, in status nor in id."""
    seen = _good()
    other = _event(ONE, "expired")

    verdict = judge(replace(seen, events=(*seen.events, other)))

    assert {"ended in two statuses": 2} == _off(verdict)


def test_two_statuses_are_found_between_event_and_record() -> None:
    """What the event says the record must say."""
    seen = _with_record(_good(), _row(ONE, "rejected"), {})

    assert {"ended in two statuses": 1} == _off(judge(seen))


def test_a_second_post_out_of_the_blue_is_unexplained() -> None:
    """The first was answered well, and nothing happened since."""
    seen = replace(_good(), calls=(_call(1.0), _call(2.0, Fault(FaultKind.ERROR, acted=True))))

    assert {"unexplained POSTs": 1} == _off(judge(seen))


@pytest.mark.parametrize(
    "explanation",
    [
        {"troubles": (Trouble(1.5, 1.6, "host 1 killed"),)},
        {"troubles": (Trouble(0.0, 0.6, "portal gone"),)},
        {"time_outs": {ONE.offer_id: (1.9,)}},
        {"odd_answers": (OddAnswer(1.9, Oddity.EMPTY, frozenset({_digest(ONE.request_id)})),)},
    ],
)
def test_a_second_post_is_explained_by_what_befell_the_first(
    explanation: dict[str, Any],
) -> None:
    """A kill, an outage, an answer that came too late, a storage that did not answer well."""
    calls = (_call(1.0), _look(8.5), _call(9.0, Fault(FaultKind.ERROR, acted=True)))

    assert judge(replace(_good(), calls=calls, **explanation)).passed


@pytest.mark.parametrize(
    "excuse",
    [
        {"troubles": (Trouble(0.2, 0.3, "portal gone"), Trouble(4.0, 4.1, "host 1 killed"))},
        {"troubles": (Trouble(1.5, 1.6, "identity endpoint down", repeats=False),)},
        {"time_outs": {"another-offer": (1.9,)}},
        {"odd_answers": (OddAnswer(1.9, Oddity.EMPTY, frozenset({"another"})),)},
        {
            "calls": (
                _call(1.0, Fault(FaultKind.TRICKLING, acted=True), 403),
                _look(1.5),
                _call(2.0),
            )
        },
        {"calls": (_call(1.0, Fault(FaultKind.TRUNCATED, acted=True), 403), _call(2.0))},
    ],
)
def test_a_second_post_is_not_explained_by_anything_else(excuse: dict[str, Any]) -> None:
    """Not its time, no concern of a POST, another offer, a refusal whose body broke off."""
    calls = (_call(1.0), _look(8.5), _call(9.0, Fault(FaultKind.ERROR, acted=True)))

    assert {"unexplained POSTs": 1} == _off(judge(replace(_good(), **{"calls": calls, **excuse})))


def test_a_second_post_without_a_look_is_unexplained() -> None:
    """The first may have arrived: what became of it is to be asked first."""
    calls = (_look(0.5), _call(1.0, Fault(FaultKind.ERROR, acted=True)), _call(2.0))

    assert {"unexplained POSTs": 1} == _off(judge(replace(_good(), calls=calls)))


def test_a_second_post_is_explained_by_a_success_that_broke_off() -> None:
    """A 2xx without its body is not believed."""
    broken_off = Fault(FaultKind.TRUNCATED, acted=True)
    calls = (_call(1.0, broken_off), _look(1.5), _call(2.0))

    assert judge(replace(_good(), calls=calls)).passed


def test_a_post_after_a_429_needs_no_look() -> None:
    """A 429 was not acted on, and says so."""
    calls = (_call(1.0, Fault(FaultKind.THROTTLED_BARE, acted=False)), _call(2.0))

    assert judge(replace(_good(), calls=calls)).passed


@pytest.mark.parametrize(("status", "found"), [(409, {}), (403, {"unexplained POSTs": 1})])
def test_after_an_uncertain_attempt_some_refusals_do_not_count_at_once(
    status: int, found: dict[str, int]
) -> None:
    """The first POST may be at work: 400, 404 and 409 are looked at again."""
    lost = _call(1.0, Fault(FaultKind.ERROR, acted=False))
    calls = (lost, _look(1.5), _call(2.0, status=status), _look(2.5), _call(3.0, status=status))
    seen = replace(_good(), calls=calls)

    assert found == _off(judge(_with_record(seen, _row(ONE, Uncertain=True), {})))


def test_an_event_id_that_is_not_made_as_promised_counts() -> None:
    """Consumers may rely on what it is made of."""
    seen = _good()

    events = (_event(ONE, run=2), *seen.events[1:])

    assert {"ended in two statuses": 1} == _off(judge(replace(seen, events=events)))


def test_a_request_without_an_id_may_have_any() -> None:
    """It is told by its offer; one with an id ends under that id."""
    seen, other = _good(), replace(ONE, number=ONE.number + 1000)
    renamed = replace(_row(other), offer_id=ONE.offer_id)
    events = (replace(_event(other), offer_id=ONE.offer_id), *seen.events[1:])
    records = {k: v for k, v in seen.ledger.records.items() if v.offer_id != ONE.offer_id}
    seen = replace(seen, events=events, ledger=Snapshot({**records, "other": renamed}))
    nameless = tuple(replace(r, has_id=False) if r is ONE else r for r in seen.plan.requests)

    assert {"lost": 1} == _off(judge(seen))
    assert judge(replace(seen, plan=replace(seen.plan, requests=nameless))).passed


@pytest.mark.parametrize(
    ("code", "offer"),
    [
        ("OperationNotRunning", Offer(answer=200)),
        ("UntrustedLocation", Offer(answer=202)),
        ("OperationFailed", Offer(answer=202, end="completed")),
    ],
)
def test_an_error_that_is_not_so_is_untrue(code: str, offer: Offer) -> None:
    """What the simulated portal did is known."""
    seen, one = _good(), replace(ONE, offer=offer)
    plan = replace(seen.plan, requests=(one, *seen.plan.requests[1:]))
    cancelled = seen.cancelled - {ONE.offer_id}
    calls = seen.calls[:1]

    seen = replace(seen, plan=plan, cancelled=cancelled, calls=calls)
    seen = replace(seen, events=(_event(ONE, "failed"), *seen.events[1:]))
    verdict = judge(_with_record(seen, _row(ONE, "failed", ErrorCode=code), {}))

    assert {"untrue outcomes": 1} == _off(verdict)


def test_a_request_that_a_bug_ended_counts() -> None:
    """Unless its claimers were killed on purpose."""
    fatal = next(r for r in PLAN.requests if r.deaths is not None)
    seen = _good()

    assert judge(_with_record(seen, _row(fatal, ErrorCode="InternalError"), {})).passed
    assert {"untrue outcomes": 1} == _off(
        judge(_with_record(seen, _row(ONE, ErrorCode="InternalError"), {}))
    )


def test_rule_one_is_broken_by_a_due_row_left_at_the_end() -> None:
    """At rest there is none, be its record final or gone."""
    due = {_digest(ONE.request_id): frozenset({"due-1"}), "orphan": frozenset({"due-2"})}
    seen = _with_record(_good(), _row(ONE), due)

    assert {"rule 1 broken": 2} == _off(judge(seen))


def test_rule_one_broken_during_the_run_counts() -> None:
    """Even when all is well at the end."""
    seen = replace(_good(), rule_one=frozenset({_digest(ONE.request_id)}))

    assert {"rule 1 broken": 1} == _off(judge(seen))


@pytest.mark.parametrize("due", [frozenset[str](), frozenset({"due-1", "due-2"})])
def test_two_readings_alike_show_that_rule_one_is_broken(due: frozenset[str]) -> None:
    """No due row, or two, of a record that nobody wrote in between."""
    seen = Snapshot({"d": _row(ONE, "deferred")}, {"d": due})

    assert {"d"} == broken(seen, seen)


@pytest.mark.parametrize(
    "second",
    [
        Snapshot({"d": replace(_row(ONE, "deferred"), etag="2")}, {}),
        Snapshot({"d": _row(ONE, "deferred")}, {"d": frozenset({"due-1"})}),
        Snapshot({"d": _row(ONE)}, {}),
        Snapshot(),
    ],
    ids=["written again", "due row back", "ended", "gone"],
)
def test_readings_that_differ_show_nothing(second: Snapshot) -> None:
    """A row that moved while it was read proves nothing."""
    assert broken(Snapshot({"d": _row(ONE, "deferred")}, {}), second) == frozenset()


def test_a_record_with_its_one_due_row_keeps_rule_one() -> None:
    """And so does a final one that has none."""
    records = {"a": _row(ONE, "accepted"), "b": _row(ONE, "failed")}
    seen = Snapshot(records, {"a": frozenset({"due-1"})})

    assert broken(seen, seen) == frozenset()
    assert {"a"} == broken_at_rest(seen)


def test_canceled_while_the_operation_runs_is_untrue() -> None:
    """The record must not say what the portal does not."""
    seen = replace(_good(), cancelled=frozenset(PLAN.offers) - {ONE.offer_id})

    assert {"untrue outcomes": 1} == _off(judge(seen))


@pytest.mark.parametrize(
    ("field", "figure"),
    [("secrets", "secrets"), ("cookies", "cookies"), ("refused", "calls refused")],
)
def test_secrets_and_refused_calls_count(field: str, figure: str) -> None:
    """Whatever was found is a finding."""
    found: dict[str, Any] = {field: ("somewhere",)}

    assert {figure: 1} == _off(judge(replace(_good(), **found)))


def test_a_message_left_in_the_poison_queue_counts() -> None:
    """A tick should have adopted it."""
    assert {"left in the poison queue": 1} == _off(judge(replace(_good(), poison=1)))


@pytest.mark.parametrize(
    "change",
    [{"pending": "1 due rows left"}, {"kills": 1}, {"calls": ()}, {"sent": _good().sent[1:]}],
    ids=["not settled", "too few kills", "too few faults", "not all sent"],
)
def test_a_run_in_which_too_little_happened_does_not_pass(change: dict[str, Any]) -> None:
    """All figures may be 0 and still nothing be proved."""
    verdict = judge(replace(_good(), **change))

    assert {} == _off(verdict)
    assert 1 == len(verdict.shortfalls)
    assert not verdict.passed
