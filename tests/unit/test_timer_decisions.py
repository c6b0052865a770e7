"""What a poll's answer means."""

from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offer_cancellation.ledger.record import Record
from offer_cancellation.portal.answer import Answer, Cause, NoAnswer, error_of
from offer_cancellation.portal.location import Untrusted
from offer_cancellation.portal.look import Finding, Found, Look
from offer_cancellation.status import Ending, Error, Status
from poll_timer.decisions import Pending, PollObservation, interpret_poll
from tests.unit.samples import (
    API,
    API_VERSION,
    GUID,
    NOW,
    OFFER,
    OPERATION_URL,
    answer,
    body_of,
    record,
    seconds,
)

GRACE = 600.0
LOCATION = f"{OFFER}/operations/{GUID}?api-version={API_VERSION}"
ACCEPTED = record(status=Status.ACCEPTED, location=LOCATION, http_status=202)
LISTED = record(status=Status.ACCEPTED, location=None, http_status=202)


def _after(reply: Answer | NoAnswer | Look, before: Record = ACCEPTED) -> Pending | Ending:
    return interpret_poll(reply, before, NOW, GRACE, API_VERSION)


def _not_understood(reply: Answer) -> Pending:
    error, answered = error_of(reply), reply.status
    return Pending(PollObservation(), error=error, answered=answered, not_understood=True)


@pytest.mark.parametrize("http_status", [200, 202])
@pytest.mark.parametrize(
    "status",
    [
        "completed",
        "complete",
        "succeeded",
        "success",
        "canceled",
        "cancelled",
        " Com_Plet-ed ",
    ],
)
def test_done(http_status: int, status: str) -> None:
    """An operation that completed, succeeded or is canceled ends `canceled`."""
    expected = Ending(Status.CANCELED, operation_status=status.strip())
    assert expected == _after(answer(http_status, [{"status": status}]))


@pytest.mark.parametrize("http_status", [200, 202])
def test_failed(http_status: int) -> None:
    """A failed operation ends `failed`, with its error and its failing steps' messages."""
    text = (
        "PublishFailed: The offer was not published.; Certification: Image is alert(1)too <large>;"
        " Certification: Title is missing; three failed; Contact support."
    )
    expected = Ending(Status.FAILED, Error("OperationFailed", text), operation_status="Failed")
    assert expected == _after(Answer(http_status, body=body_of("operation_failed.json")))


def test_failed_without_words() -> None:
    """A failed operation that does not say why still has an error."""
    error = Error("OperationFailed", "the operation failed and does not say why")
    expected = Ending(Status.FAILED, error, operation_status="failed")
    assert expected == _after(answer(200, {"status": "failed"}))


@pytest.mark.parametrize("http_status", [200, 202])
@pytest.mark.parametrize(
    "status", ["running", "Not Started", "waitingForPublisherReview", "paused", "NeverPublished"]
)
def test_pending(http_status: int, status: str) -> None:
    """Any other status is pending, and the raw status is kept."""
    reply = answer(http_status, {"status": status}, retry_after="30")
    expected = Pending(PollObservation(status), retry_after=30.0, answered=http_status)
    assert expected == _after(reply)


def test_pending_documented() -> None:
    """The documented body, an array of one, is understood."""
    reply = Answer(200, body=body_of("operation_running.json"))
    assert Pending(PollObservation("running"), answered=200) == _after(reply)


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(answer(200), id="nothing"),
        pytest.param(Answer(200, body=None), id="too long"),
        pytest.param(Answer(200, body=body_of("gateway.html")), id="HTML"),
        pytest.param(answer(200, []), id="empty array"),
        pytest.param(answer(200, {"state": "completed"}), id="no status"),
        pytest.param(answer(302), id="redirect"),
        pytest.param(answer(409, {"status": "completed"}), id="another 4xx"),
    ],
)
def test_not_understood(reply: Answer) -> None:
    """A body that cannot be understood, or a redirect, is pending, and says what it was."""
    assert _not_understood(reply) == _after(reply)


@pytest.mark.parametrize(
    ("http_status", "value", "status"),
    [
        pytest.param(200, {"status": "running"}, "running", id="200"),
        pytest.param(202, {"status": "running"}, "running", id="202"),
        pytest.param(200, None, None, id="not understood"),
        pytest.param(307, None, None, id="redirect"),
    ],
)
def test_moved(http_status: int, value: object, status: str | None) -> None:
    """A valid `Location` in such an answer is polled from now on."""
    reply = answer(http_status, value, OPERATION_URL, location=f"{API}/api/operations/2")
    moved = f"/api/operations/2?api-version={API_VERSION}"
    found = _after(reply)
    assert isinstance(found, Pending)
    assert PollObservation(status, moved) == found.observation
    assert (status is None) is found.not_understood


@pytest.mark.parametrize("http_status", [200, 202, 307])
def test_moved_to_an_untrusted_place(http_status: int) -> None:
    """An untrusted one is ignored, and handed on to be logged."""
    reply = answer(http_status, {"status": "running"}, location="https://evil.com/api/x")
    found = _after(reply)
    assert isinstance(found, Pending)
    expected = Untrusted("https://evil.com/api/x", "its origin is not the API's")
    assert (None, expected) == (found.observation.location, found.untrusted)


def test_moved_and_done() -> None:
    """A location does not matter any more once the operation is done."""
    reply = answer(200, {"status": "completed"}, location="https://evil.com/")
    assert Ending(Status.CANCELED, operation_status="completed") == _after(reply)


@pytest.mark.parametrize("http_status", [401, 408, 429, 500, 502, 503, 504])
def test_outage(http_status: int) -> None:
    """401, 408, 429 and 5xx are pending; refusals before them no longer count."""
    before = record(status=Status.ACCEPTED, location=LOCATION, refused_since=seconds(-9999))
    reply = answer(http_status, {"status": "completed"}, retry_after="30", location="/api/x")
    expected = Pending(
        PollObservation(), retry_after=30.0, error=error_of(reply), answered=http_status
    )
    assert expected == _after(reply, before)


@pytest.mark.parametrize(
    ("reply", "polls", "until"),
    [
        pytest.param(NoAnswer(Cause.NETWORK, sent=True), 1, None, id="network fault"),
        pytest.param(NoAnswer(Cause.TIME_OUT, sent=True), 1, None, id="time-out"),
        pytest.param(NoAnswer(Cause.TOKEN, sent=False), 0, None, id="no token"),
        pytest.param(
            NoAnswer(Cause.THROTTLED, sent=False, paused_until=seconds(60)), 0, seconds(60),
            id="a common pause",
        ),
    ],
)  # fmt: skip
def test_unanswered(reply: NoAnswer, polls: int, until: datetime | None) -> None:
    """No answer is pending, a poll unless nothing was sent, and says nothing of refusals."""
    since = seconds(-60)
    before = record(status=Status.ACCEPTED, location=LOCATION, refused_since=since)
    assert Pending(PollObservation(refused_since=since), polls, paused_until=until) == _after(
        reply, before
    )


@pytest.mark.parametrize("http_status", [400, 403, 404, 410])
@pytest.mark.parametrize("since", [None, 0.0, -599.999])
def test_refused_for_a_while(http_status: int, since: float | None) -> None:
    """400, 403, 404, 410 are pending before POLL_GRACE_SECONDS are over."""
    first = NOW if since is None else seconds(since)
    before = record(refused_since=None if since is None else first, location=LOCATION)
    reply = answer(http_status, retry_after="30")
    expected = Pending(
        PollObservation(refused_since=first),
        retry_after=30.0,
        error=error_of(reply),
        answered=http_status,
    )
    assert expected == _after(reply, before)


@pytest.mark.parametrize("http_status", [400, 403, 404, 410])
@pytest.mark.parametrize("since", [-600.0, -9999.0])
def test_refused_for_good(http_status: int, since: float) -> None:
    """400, 403, 404, 410 for POLL_GRACE_SECONDS on end are `failed`, with the error."""
    before = record(refused_since=seconds(since), location=LOCATION)
    error = Error("Forbidden", "User does not have the required permissions")
    reply = Answer(http_status, body=body_of("error_forbidden.json"))
    assert Ending(Status.FAILED, error, http_status) == _after(reply, before)


@pytest.mark.parametrize("http_status", [200, 302, 409, 500])
def test_refusals_are_forgotten(http_status: int) -> None:
    """Any other answer in between, and the time of refusals begins anew."""
    before = record(refused_since=seconds(-9999), location=LOCATION)
    found = _after(answer(http_status, {"status": "running"}), before)
    assert isinstance(found, Pending)
    assert found.observation.refused_since is None


def test_no_grace() -> None:
    """Without a time of grace the first refusal counts."""
    found = interpret_poll(answer(404), ACCEPTED, NOW, 0, API_VERSION)
    assert found == Ending(Status.FAILED, Error("Http404", "HTTP 404 Not Found"), 404)


@pytest.mark.parametrize("status", ["completed", "Succeeded", "success"])
@pytest.mark.parametrize("guard", [GUID, GUID.upper()])
def test_the_guarded_operation_ended_by_itself(status: str, guard: str) -> None:
    """Where the location is the operation that was to be cancelled, `completed` is a failure."""
    before = replace(ACCEPTED, operation_id=guard)
    error = Error("OperationNotRunning", f"the operation is {status!r}")
    expected = Ending(Status.FAILED, error, operation_status=status)
    assert expected == _after(answer(200, {"status": status}), before)


@pytest.mark.parametrize(
    ("status", "location", "expected"),
    [
        ("canceled", LOCATION, Status.CANCELED),
        ("failed", LOCATION, Status.FAILED),
        ("completed", f"{OFFER}/operations/another", Status.CANCELED),
        ("completed", f"{OFFER}/operations/{GUID}/cancel", Status.CANCELED),
    ],
)
def test_the_guarded_operation_or_another(status: str, location: str, expected: Status) -> None:
    """Canceled is what was asked for; and the end of another operation counts as ever."""
    before = replace(ACCEPTED, operation_id=GUID, location=location)
    found = _after(answer(200, {"status": status}), before)
    assert isinstance(found, Ending)
    assert expected is found.status


def _looked(found: Found, status: str | None, text: str = "") -> Pending | Ending:
    return _after(Look(answer(200, []), Finding(found, status, text)), LISTED)


def test_list_done() -> None:
    """Without a location: nothing runs any more, and it was canceled."""
    expected = Ending(Status.CANCELED, operation_status="Canceled")
    assert expected == _looked(Found.CANCELED, "Canceled")


@pytest.mark.parametrize("found", [Found.NEW, Found.ENDED])
def test_list_failed(found: Found) -> None:
    """What runs is another's, or ended by itself: `failed`."""
    error = Error("OperationNotRunning", "because")
    expected = Ending(Status.FAILED, error, operation_status="completed")
    assert expected == _looked(found, "completed", "because")


def test_list_pending() -> None:
    """As long as something runs that is not new, it is pending."""
    expected = Pending(PollObservation("Running"), answered=200)
    assert expected == _looked(Found.ACTIVE, "Running")


@pytest.mark.parametrize("reply", [answer(200, [{"id": GUID}]), answer(302), answer(409)])
def test_list_not_understood(reply: Answer) -> None:
    """A list that cannot be understood is pending."""
    assert _not_understood(reply) == _after(Look(reply), LISTED)


@pytest.mark.parametrize("http_status", [400, 403, 404, 410])
def test_list_refused(http_status: int) -> None:
    """A list that is refused has its time of grace, too."""
    reply = Look(answer(http_status))
    found = _after(reply, LISTED)
    assert isinstance(found, Pending)
    assert NOW == found.observation.refused_since
    ended = _after(reply, replace(LISTED, refused_since=seconds(-600)))
    assert ended == Ending(Status.FAILED, error_of(answer(http_status)), http_status)


def test_list_unanswered() -> None:
    """A look without an answer is pending."""
    error = Error("ServerDisconnectedError", "Server disconnected")
    found = _after(Look(NoAnswer(Cause.NETWORK, sent=True, error=error)), LISTED)
    assert Pending(PollObservation(), error=error) == found


@given(
    http_status=st.integers(200, 599),
    body=st.none() | st.binary(max_size=80) | st.just(b'[{"status":"completed"}]'),
    location=st.text(max_size=20) | st.just("/api/x"),
    has_location=st.booleans(),
)
def test_any_answer(
    http_status: int, body: bytes | None, location: str, has_location: bool
) -> None:
    """Any answer at all is pending or an end; before its grace is over no refusal ends."""
    found = _after(
        Answer(http_status, {"location": location}, body, OPERATION_URL),
        ACCEPTED if has_location else replace(LISTED, operation_id=GUID),
    )
    if isinstance(found, Pending):
        assert 1 == found.polls
    else:
        assert (Status.CANCELED, 2) == (found.status, http_status // 100)
