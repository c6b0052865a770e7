"""What an answer of the submission API means for a request."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offer_cancellation.ledger.record import Record
from offer_cancellation.portal.answer import Answer, Cause, NoAnswer
from offer_cancellation.portal.decision import (
    Accept,
    Defer,
    Done,
    Pending,
    PollObservation,
    Proceed,
)
from offer_cancellation.portal.submission import submission_of
from offer_cancellation.portal.submission_answers import (
    Reading,
    interpret_delete,
    interpret_look,
    interpret_look_after,
    interpret_poll,
)
from offer_cancellation.status import Ending, Status
from tests.unit.samples import NOW, answer, record, seconds

GRACE = 600.0
FRESH = record(
    publisher_id=None, offer_id=None, product_id="product-1", submission_id="1152921504606846977"
)
SEEN = replace(FRESH, submitted_seen_at=seconds(-60))
UNCERTAIN = replace(SEEN, uncertain=True, uncertain_since=seconds(-60))
BUSY = {"code": "Conflict", "message": "not now"}
OUTAGES = (401, 408, 429, 500, 503)


def body(state: str, substate: str | None = None) -> dict[str, Any]:
    """A submission as the API describes it."""
    fields = {"id": "1152921504606846977", "resourceType": "Submission", "state": state}
    return fields if substate is None else {**fields, "substate": substate}


def read(state: str, substate: str | None = None) -> Reading:
    """A read that found the submission in that state."""
    return Reading(answer(200, body(state, substate)))


def gone(product: int = 200) -> Reading:
    """A read that found no submission, and then its product, or not."""
    return Reading(answer(404), answer(product, {"id": "product-1"}))


def look(reading: Reading, before: Record = FRESH) -> Proceed | Ending | Defer:
    """What a look means."""
    return interpret_look(reading, before, NOW, GRACE)


@pytest.mark.parametrize(
    ("state", "substate"),
    [("InProgress", "Submitted"), ("in progress", "SUBMITTED"), ("in_progress", "sub-mitted")],
)
def test_submitted_is_deleted(state: str, substate: str) -> None:
    """In progress and submitted, however it is written; the record must say so first."""
    assert Proceed(NOW) == look(read(state, substate))


def test_the_first_sight_is_kept() -> None:
    """A later look does not move it."""
    assert Proceed(SEEN.submitted_seen_at) == look(read("InProgress", "Submitted"), SEEN)


@pytest.mark.parametrize("before", [FRESH, SEEN])
@pytest.mark.parametrize(
    ("state", "substate"),
    [("Cancelled", None), ("InProgress", "Canceled"), ("canceled", "InDraft")],
)
def test_cancelled_is_canceled(before: Record, state: str, substate: str | None) -> None:
    """With one `l` or two."""
    found = look(read(state, substate), before)

    assert isinstance(found, Ending)
    assert Status.CANCELED is found.status


@pytest.mark.parametrize("reading", [read("InProgress", "InDraft"), gone()])
def test_back_to_draft_or_gone_is_canceled_once_it_was_seen(reading: Reading) -> None:
    """Only when a look of this run had seen it submitted; a draft of others is left alone."""
    seen, unseen = look(reading, SEEN), look(reading, FRESH)

    assert isinstance(seen, Ending)
    assert isinstance(unseen, Ending)
    assert (Status.CANCELED, Status.REJECTED) == (seen.status, unseen.status)
    assert unseen.error is not None
    assert "OperationNotRunning" == unseen.error.code


@pytest.mark.parametrize(
    ("state", "substate"),
    [
        ("Published", "ReadyToPublish"),
        ("Published", None),
        ("InProgress", "Publishing"),
        ("InProgress", "Failed"),
        ("Archived", None),
        ("Submitted", "InProgress"),
    ],
)
def test_what_else_it_is_is_left_alone(state: str, substate: str | None) -> None:
    """Any other state ends the request, and is named."""
    found = look(read(state, substate), SEEN)

    assert isinstance(found, Ending)
    assert found.error is not None
    assert (Status.REJECTED, "OperationNotRunning") == (found.status, found.error.code)
    assert state in found.error.message


def test_without_a_product() -> None:
    """A submission of a product that does not exist does not run."""
    found = look(gone(404), SEEN)

    assert isinstance(found, Ending)
    assert Status.REJECTED is found.status


@pytest.mark.parametrize("status", OUTAGES)
def test_look_deferred(status: int) -> None:
    """An outage says nothing, of the submission or of its product."""
    for reading in (Reading(answer(status)), Reading(answer(404), answer(status))):
        found = look(reading, SEEN)
        assert isinstance(found, Defer)
        assert (f"http-{status}", False) == (found.cause, found.uncertain)


@pytest.mark.parametrize("reply", [answer(200, ["x"]), Answer(200, {}, b"<html>"), answer(302)])
def test_look_not_understood(reply: Answer) -> None:
    """What cannot be understood, and a redirect, defer."""
    assert isinstance(look(Reading(reply)), Defer)


@pytest.mark.parametrize("status", [400, 403, 405])
def test_look_refused(status: int) -> None:
    """A definitive refusal ends it; after an uncertain attempt only once it was so for a while."""
    reading = Reading(answer(status, BUSY))
    late = replace(UNCERTAIN, refused_since=seconds(-GRACE))

    first, second, third = look(reading), look(reading, UNCERTAIN), look(reading, late)

    assert isinstance(first, Ending)
    assert isinstance(second, Defer)
    assert isinstance(third, Ending)
    assert NOW == second.refused_since


def test_a_refusal_that_had_no_time_for_its_look() -> None:
    """The next attempt's look is that look: still submitted, so the refusal counts."""
    before = replace(SEEN, refused_since=seconds(-5), last_status=409, last_code="Conflict",
                     last_message="not now")  # fmt: skip

    found = look(read("InProgress", "Submitted"), before)

    assert isinstance(found, Ending)
    assert found.error is not None
    assert (Status.REJECTED, 409, "Conflict") == (found.status, found.http_status,
                                                  found.error.code)  # fmt: skip


@pytest.mark.parametrize("away", [answer(503), answer(401), NoAnswer(Cause.TOKEN, sent=False)])
def test_a_refusal_is_remembered_while_the_api_is_away(away: Answer | NoAnswer) -> None:
    """What the record says of the refusal stays, whatever keeps the look from being answered."""
    before = replace(SEEN, refused_since=seconds(-5), last_status=409, last_code="Conflict")

    found = look(Reading(away), before)

    assert isinstance(found, Defer)
    assert (None, None) == (found.answered, found.error)


def test_a_product_that_could_not_be_read_in_time() -> None:
    """The submission is gone, and whether its product is there is for the next look."""
    found = look(Reading(answer(404), NoAnswer(Cause.NO_TIME, sent=False)), SEEN)

    assert isinstance(found, Defer)
    assert ("no-time", False) == (found.cause, found.was_sent)


@pytest.mark.parametrize("status", [200, 202, 204, 206])
def test_a_2xx_of_the_delete_is_accepted(status: int) -> None:
    """Nothing is believed but a read."""
    assert Accept(status) == interpret_delete(answer(status), SEEN, NOW)


@pytest.mark.parametrize("status", [302, 406, 410, 422])
def test_delete_refused_for_good(status: int) -> None:
    """Any other definitive answer ends it."""
    found = interpret_delete(answer(status, BUSY), SEEN, NOW)

    assert isinstance(found, Ending)
    assert (Status.REJECTED, status) == (found.status, found.http_status)


@pytest.mark.parametrize(
    ("status", "uncertain"), [(401, False), (429, False), (408, True), (500, True), (503, True)]
)
def test_delete_deferred(status: int, uncertain: bool) -> None:
    """An outage defers; where the DELETE may have arrived, the attempt is uncertain."""
    found = interpret_delete(answer(status), SEEN, NOW)

    assert isinstance(found, Defer)
    assert (uncertain, status) == (found.uncertain, found.http_status)


@pytest.mark.parametrize("sent", [True, False])
def test_delete_unanswered(sent: bool) -> None:
    """What never left is no attempt."""
    found = interpret_delete(NoAnswer(Cause.NETWORK, sent=sent), SEEN, NOW)

    assert isinstance(found, Defer)
    assert (sent, sent) == (found.was_sent, found.uncertain)


def test_look_after_a_refusal() -> None:
    """Still submitted: rejected with the DELETE's error; ended meanwhile: that end."""
    refusal, ended = answer(409, BUSY), Ending(Status.CANCELED)

    still = interpret_look_after(Proceed(NOW), refusal, SEEN, NOW, GRACE)

    assert isinstance(still, Ending)
    assert still.error is not None
    assert (Status.REJECTED, "Conflict") == (still.status, still.error.code)
    assert ended == interpret_look_after(ended, refusal, SEEN, NOW, GRACE)


def test_look_after_a_refusal_that_follows_an_uncertain_attempt() -> None:
    """It counts only once it was so for a while: the first DELETE may be at work."""
    refusal = answer(409, BUSY)
    late = replace(UNCERTAIN, refused_since=seconds(-GRACE))

    early = interpret_look_after(Proceed(NOW), refusal, UNCERTAIN, NOW, GRACE)

    assert isinstance(early, Defer)
    assert (NOW, 409) == (early.refused_since, early.http_status)
    assert isinstance(interpret_look_after(Proceed(NOW), refusal, late, NOW, GRACE), Ending)


def test_look_after_a_refusal_without_time() -> None:
    """Deferred as an attempt that was sent, with the refusal's error, for the next look."""
    waiting = Defer("no-time", was_sent=False)

    found = interpret_look_after(waiting, answer(409, BUSY), SEEN, NOW, GRACE)

    assert isinstance(found, Defer)
    assert found.error is not None
    assert (True, 409, 409, "Conflict", NOW) == (
        found.was_sent,
        found.http_status,
        found.answered,
        found.error.code,
        found.refused_since,
    )


def test_look_after_a_refusal_that_is_throttled() -> None:
    """The pause that the look's answer asks for counts."""
    waiting = Defer("http-429", retry_after=30.0)

    found = interpret_look_after(waiting, answer(409, BUSY), SEEN, NOW, GRACE)

    assert isinstance(found, Defer)
    assert (30.0, False) == (found.retry_after, found.uncertain)


ACCEPTED = replace(SEEN, status=Status.ACCEPTED, accepted_at=NOW)


@pytest.mark.parametrize(
    ("reading", "status"),
    [
        pytest.param(read("Cancelled"), Status.CANCELED, id="cancelled"),
        pytest.param(read("InProgress", "InDraft"), Status.CANCELED, id="a draft again"),
        pytest.param(gone(), Status.CANCELED, id="gone"),
        pytest.param(read("Published", "InStore"), Status.FAILED, id="live"),
        pytest.param(read("InProgress", "Published"), Status.FAILED, id="live, by its substate"),
    ],
)
def test_poll_done(reading: Reading, status: Status) -> None:
    """A read shows that it is done, or that it went live."""
    found = interpret_poll(reading, ACCEPTED, NOW, GRACE)

    assert isinstance(found, Done)
    assert status is found.ending.status


@pytest.mark.parametrize(
    ("state", "substate", "raw"),
    [("InProgress", "Submitted", "InProgress/Submitted"), ("Archived", None, "Archived")],
)
def test_poll_pending(state: str, substate: str | None, raw: str) -> None:
    """Anything else is pending, and the raw states are kept."""
    expected = Pending(PollObservation(raw), answered=200)

    assert expected == interpret_poll(read(state, substate), ACCEPTED, NOW, GRACE)


@pytest.mark.parametrize("reading", [Reading(answer(400)), Reading(answer(403)), gone(404)])
def test_poll_refused(reading: Reading) -> None:
    """A refusal counts only once it was the only answer for a while."""
    late = replace(ACCEPTED, refused_since=seconds(-GRACE))

    first = interpret_poll(reading, ACCEPTED, NOW, GRACE)
    last = interpret_poll(reading, late, NOW, GRACE)

    assert isinstance(first, Pending)
    assert NOW == first.observation.refused_since
    assert isinstance(last, Done)
    assert Status.FAILED is last.ending.status


@pytest.mark.parametrize("status", OUTAGES)
def test_poll_outage(status: int) -> None:
    """An outage is pending, of the submission or of its product."""
    for reading in (Reading(answer(status)), Reading(answer(404), answer(status))):
        assert isinstance(interpret_poll(reading, ACCEPTED, NOW, GRACE), Pending)


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["state", "substate", "x"]), inner, max_size=3)
        ),
        max_leaves=6,
    )
)
def test_any_body(value: object) -> None:
    """Whatever a 200 holds, only what says `Submitted` lets a DELETE go out."""
    found = submission_of(value)
    decision = look(Reading(answer(200, value)))

    assert isinstance(decision, Proceed) is (found is not None and found.is_submitted)
