"""What a poll's answer means."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offer_cancellation.ledger.record import Record, Seen
from offer_cancellation.portal.answer import Answer, Cause, NoAnswer
from offer_cancellation.portal.location import Untrusted
from offer_cancellation.status import Ending, Error, Status
from poll_timer.decisions import Pending, after_poll
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


def _after(reply: Answer | NoAnswer, before: Record = ACCEPTED) -> Pending | Ending:
    return after_poll(reply, before, NOW, GRACE, API_VERSION)


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
    assert Pending(Seen(status), asked=30.0) == _after(reply)


def test_pending_documented() -> None:
    """The documented body, an array of one, is understood."""
    assert Pending(Seen("running")) == _after(Answer(200, body=body_of("operation_running.json")))


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
    """A body that cannot be understood, or a redirect, is pending."""
    assert Pending(Seen()) == _after(reply)


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
    assert Pending(Seen(status, moved)) == _after(reply)


@pytest.mark.parametrize("http_status", [200, 202, 307])
def test_moved_to_an_untrusted_place(http_status: int) -> None:
    """An untrusted one is ignored, and handed on to be logged."""
    reply = answer(http_status, {"status": "running"}, location="https://evil.com/api/x")
    found = _after(reply)
    assert isinstance(found, Pending)
    expected = Untrusted("https://evil.com/api/x", "its origin is not the API's")
    assert (None, expected) == (found.seen.location, found.untrusted)


def test_moved_and_done() -> None:
    """A location does not matter any more once the operation is done."""
    reply = answer(200, {"status": "completed"}, location="https://evil.com/")
    assert Ending(Status.CANCELED, operation_status="completed") == _after(reply)


@pytest.mark.parametrize("http_status", [401, 408, 429, 500, 502, 503, 504])
def test_outage(http_status: int) -> None:
    """401, 408, 429 and 5xx are pending; refusals before them no longer count."""
    before = record(status=Status.ACCEPTED, location=LOCATION, refused_since=seconds(-9999))
    reply = answer(http_status, {"status": "completed"}, retry_after="30", location="/api/x")
    assert Pending(Seen(), asked=30.0) == _after(reply, before)


@pytest.mark.parametrize(
    ("reply", "polls", "until"),
    [
        pytest.param(NoAnswer(Cause.NETWORK, sent=True), 1, None, id="network fault"),
        pytest.param(NoAnswer(Cause.TIME_OUT, sent=True), 1, None, id="time-out"),
        pytest.param(NoAnswer(Cause.TOKEN, sent=False), 0, None, id="no token"),
        pytest.param(
            NoAnswer(Cause.THROTTLED, sent=False, until=seconds(60)), 0, seconds(60),
            id="a common pause",
        ),
    ],
)  # fmt: skip
def test_unanswered(reply: NoAnswer, polls: int, until: datetime | None) -> None:
    """No answer is pending, a poll unless nothing was sent, and says nothing of refusals."""
    since = seconds(-60)
    before = record(status=Status.ACCEPTED, location=LOCATION, refused_since=since)
    assert Pending(Seen(refused_since=since), polls, until=until) == _after(reply, before)


@pytest.mark.parametrize("http_status", [400, 403, 404, 410])
@pytest.mark.parametrize("since", [None, 0.0, -599.999])
def test_refused_for_a_while(http_status: int, since: float | None) -> None:
    """400, 403, 404, 410 are pending before POLL_GRACE_SECONDS are over."""
    first = NOW if since is None else seconds(since)
    before = record(refused_since=None if since is None else first, location=LOCATION)
    expected = Pending(Seen(refused_since=first), asked=30.0)
    assert expected == _after(answer(http_status, retry_after="30"), before)


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
    assert found.seen.refused_since is None


def test_no_grace() -> None:
    """Without a time of grace the first refusal counts."""
    found = after_poll(answer(404), ACCEPTED, NOW, 0, API_VERSION)
    assert found == Ending(Status.FAILED, Error("Http404", "HTTP 404 Not Found"), 404)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param([], None, id="an empty list"),
        pytest.param([{"submissionState": "failed"}], "failed", id="nothing running"),
        pytest.param(
            [{"submissionState": "Completed"}, {"submissionState": "failed"}], "Completed",
            id="several, none running",
        ),
        pytest.param(
            [{"submissionState": "Canceled"}, {"submissionState": "running"}], "Canceled",
            id="the first canceled",
        ),
    ],
)  # fmt: skip
def test_list_done(body: object, status: str | None) -> None:
    """Without a location: nothing running, or the first of the list canceled → `canceled`."""
    expected = Ending(Status.CANCELED, operation_status=status)
    assert expected == _after(answer(200, body), LISTED)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param([{"submissionState": "Running"}], "Running", id="running"),
        pytest.param(
            [{"submissionState": "failed"}, {"submissionState": "running"}], "failed",
            id="an older one runs",
        ),
        pytest.param(
            [{"submissionState": "running"}, {"submissionState": "canceled"}], "running",
            id="an older one canceled",
        ),
        pytest.param([{"id": GUID}], None, id="not understood"),
        pytest.param(None, None, id="nothing"),
        pytest.param({"value": []}, None, id="wrapped"),
    ],
)  # fmt: skip
def test_list_pending(body: object, status: str | None) -> None:
    """As long as something runs, or the list cannot be understood, it is pending."""
    assert Pending(Seen(status)) == _after(answer(200, body), LISTED)


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
        ACCEPTED if has_location else LISTED,
    )
    if isinstance(found, Pending):
        assert found.polls == 1
    else:
        assert (found.status, http_status // 100) == (Status.CANCELED, 2)
