"""The demo's data and its judgement; that it passes is an end-to-end test's business."""

import base64
import json
from typing import Any

import pytest

from local.demo.progress import Progress
from local.demo.scenarios import SCENARIOS, Expect, Scenario
from local.outcomes import LedgerRow, describe


def _event(status: str, **data: Any) -> dict[str, Any]:
    return {"data": {"status": status, "offerId": "vm", "publisherId": "contoso", **data}}


def _progress(expect: Expect, *, posts: int, event: dict[str, Any]) -> Progress:
    progress = Progress(Scenario("any", "vm", "200", "{}", expect))
    progress.posts = posts
    progress.row = LedgerRow("vm", str(event["data"]["status"]), posts, 0)
    progress.end(event)
    return progress


def test_every_scenario_has_an_offer_of_its_own() -> None:
    """Outcomes are told apart by their offer, so no two scenarios share one."""
    offers = [scenario.offer_id for scenario in SCENARIOS]

    assert len(offers) == len(set(offers))


def test_all_but_one_message_are_base64() -> None:
    """Both encodings a producer may use are on the queue."""
    plain = [scenario for scenario in SCENARIOS if scenario.text.startswith("{")]
    others = [scenario for scenario in SCENARIOS if scenario not in plain]

    assert 1 == len(plain)
    for scenario in others:
        assert isinstance(json.loads(base64.b64decode(scenario.text, validate=True)), dict)


def test_what_ended_as_expected_differs_in_nothing() -> None:
    """Status, code, number of POSTs and of polls agree: nothing to report."""
    event = _event("failed", error={"code": "OperationFailed"}, polls=3)
    progress = _progress(Expect("failed", "OperationFailed", polls=2), posts=1, event=event)

    assert progress.ended
    assert [] == progress.differences()


@pytest.mark.parametrize(
    ("expect", "posts", "difference"),
    [
        (Expect("rejected"), 1, "status canceled, not rejected"),
        (Expect("canceled", "Forbidden"), 1, "error code None, not Forbidden"),
        (Expect("canceled"), 2, "POSTs 2, not 1"),
        (Expect("canceled", polls=1), 1, "0 polls, not 1 at least"),
    ],
)
def test_what_differs_is_told(expect: Expect, posts: int, difference: str) -> None:
    """Each kind of difference is named with what came and what should have."""
    progress = _progress(expect, posts=posts, event=_event("canceled"))

    assert difference in progress.differences()


def test_an_invalid_message_ends_when_its_text_is_kept() -> None:
    """Without the original in the rejected queue an invalid message has not ended."""
    progress = Progress(Scenario("any", "vm", "", "{}", Expect("rejected", "InvalidRequest", 0)))
    progress.end(_event("rejected", error={"code": "InvalidRequest"}))

    assert not progress.ended
    progress.kept = True
    assert progress.ended
    assert [] == progress.differences()


def test_an_outcome_is_a_line_and_its_error_another() -> None:
    """What a person wants to know of an event fits two lines, markup or not."""
    event = _event("failed", httpStatus=202, error={"code": "X", "message": "[red]"}, attempts=1)

    first, second = describe(event).splitlines()

    assert ["failed", "contoso/vm", "http=202", "posts=1"] == first.split()
    assert "X: [red]" == second.strip()
