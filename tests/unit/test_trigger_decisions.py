"""What an answer of the API means for a submission."""

import json

import pytest

from cancel_trigger.decisions import (
    Accept,
    Date,
    Defer,
    Post,
    after_dating,
    after_guard,
    after_look,
    after_post,
    by_age,
)
from offer_cancellation.portal.answer import Answer, Cause, NoAnswer, Reply
from offer_cancellation.portal.operation import Operation
from offer_cancellation.status import Ending, Error, Status
from tests.unit.samples import (
    API,
    API_VERSION,
    GUID,
    NOW,
    OFFER,
    OPERATION_URL,
    answer,
    body_of,
    seconds,
)

OPERATION = f"{OFFER}/operations/{GUID}"
VERSION = f"?api-version={API_VERSION}"
FORBIDDEN = Error("Forbidden", "User does not have the required permissions")

NO_ANSWERS = [
    pytest.param(NoAnswer(Cause.NETWORK, sent=False), "network", None, id="nothing sent"),
    pytest.param(NoAnswer(Cause.NETWORK, sent=True), "network", None, id="reset"),
    pytest.param(NoAnswer(Cause.TIME_OUT, sent=True), "time-out", None, id="time-out"),
    pytest.param(NoAnswer(Cause.TOKEN, sent=False), "token", None, id="no token"),
    pytest.param(
        NoAnswer(Cause.THROTTLED, sent=False, until=seconds(60)), "throttled", seconds(60),
        id="a common pause",
    ),
]  # fmt: skip
OUTAGES = [401, 408, 429, 500, 502, 503, 504]


def _running(created_at: float | None) -> Operation:
    return Operation("Running", GUID, None if created_at is None else seconds(created_at))


def _described(created_at: float | None, status: str = "Running") -> dict[str, str]:
    created = {} if created_at is None else {"createdDateTime": seconds(created_at).isoformat()}
    return {"id": GUID, "status": status, **created}


def _not_running(text: str, http_status: int, operation_status: str | None = None) -> Ending:
    error = Error("OperationNotRunning", text)
    return Ending(Status.REJECTED, error, http_status, operation_status)


@pytest.mark.parametrize("status", [200, 201, 204])
def test_post_done(status: int) -> None:
    """200: the operation was cancelled."""
    expected = Ending(Status.CANCELED, http_status=status)
    assert expected == after_post(answer(status), NOW, API_VERSION)


@pytest.mark.parametrize(
    ("reply", "location"),
    [
        pytest.param(
            answer(202, location=f"{OPERATION}{VERSION}"), f"{OPERATION}{VERSION}", id="2020"
        ),
        pytest.param(
            answer(202, operation_location=f"{API}{OPERATION}"), f"{OPERATION}{VERSION}", id="2018"
        ),
        pytest.param(
            answer(202, "/api/b", location="/api/a"), f"/api/a{VERSION}", id="header before body"
        ),
        pytest.param(
            answer(202, "/api/b", location=" "), f"/api/b{VERSION}", id="empty header, string body"
        ),
        pytest.param(answer(202, {"location": "/api/b"}), f"/api/b{VERSION}", id="object body"),
        pytest.param(answer(202), None, id="none at all"),
        pytest.param(answer(202, {"status": "running"}), None, id="none in the body"),
        pytest.param(Answer(202, body=None), None, id="a body too long"),
    ],
)
def test_post_accepted(reply: Answer, location: str | None) -> None:
    """202: the operation is polled at its location, or else the offer's list is."""
    assert Accept(202, location, None) == after_post(reply, NOW, API_VERSION)


@pytest.mark.parametrize("location", ["/api/a", ""])
def test_post_accepted_with_retry_after(location: str) -> None:
    """A 202's Retry-After says when the first poll may be, with a location or without."""
    found = after_post(answer(202, location=location, retry_after="60"), NOW, API_VERSION)
    assert isinstance(found, Accept)
    assert found.asked == 60


def test_post_untrusted_location() -> None:
    """A 202 with a location of another origin ends `failed`, the location kept for reading."""
    error = Error("UntrustedLocation", "the location is not followed: its origin is not the API's")
    expected = Ending(Status.FAILED, error, 202, location="https://evil.com/api/x")
    reply = answer(202, location="https://evil.com/api/x")
    assert expected == after_post(reply, NOW, API_VERSION)


@pytest.mark.parametrize("status", [400, 403, 404, 405, 409, 410, 412, 422])
def test_post_refused(status: int) -> None:
    """A definitive 4xx of the POST is never retried; code and message reach the event."""
    reply = Answer(status, body=body_of("error_forbidden.json"))
    expected = Ending(Status.REJECTED, FORBIDDEN, status)
    assert expected == after_post(reply, NOW, API_VERSION)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_post_redirected(status: int) -> None:
    """A redirect of the POST is a definitive answer, and never followed."""
    found = after_post(answer(status, location=f"{API}/api/x"), NOW, API_VERSION)
    assert isinstance(found, Ending)
    assert (Status.REJECTED, status, None) == (found.status, found.http_status, found.location)
    assert found.error is not None
    assert f"Http{status}" == found.error.code


@pytest.mark.parametrize(
    ("status", "uncertain"),
    [
        (401, False),
        (408, False),
        (429, False),
        (500, True),
        (501, False),
        (502, True),
        (503, False),
        (504, True),
    ],
)
def test_post_deferred(status: int, uncertain: bool) -> None:
    """401, 408, 429 and 5xx wait; after 500, 502 and 504 the POST may have arrived."""
    expected = Defer(f"http-{status}", status, 30.0, uncertain=uncertain)
    assert expected == after_post(answer(status, retry_after="30"), NOW, API_VERSION)


@pytest.mark.parametrize(("reply", "cause", "until"), NO_ANSWERS)
def test_post_unanswered(reply: NoAnswer, cause: str, until: object) -> None:
    """An attempt without an answer is uncertain when its POST may have arrived."""
    found = after_post(reply, NOW, API_VERSION)
    assert isinstance(found, Defer)
    assert (cause, None, until) == (found.cause, found.http_status, found.until)
    assert reply.sent is found.uncertain


@pytest.mark.parametrize("status", ["running", "Running", "not started", "NotStarted"])
def test_guard_lets_through(status: str) -> None:
    """Only an operation that runs, or has not started, is cancelled."""
    assert after_guard(answer(200, _described(0, status)), NOW) == Post()


def test_guard_reads_the_documented_body() -> None:
    """The guard's operation may come as an array of one."""
    reply = Answer(200, body=body_of("operation_running.json"), url=OPERATION_URL)
    assert after_guard(reply, NOW) == Post()


@pytest.mark.parametrize("status", ["canceled", "Cancelled"])
def test_guard_canceled_already(status: str) -> None:
    """An operation that is canceled already ends `canceled`, nothing posted."""
    expected = Ending(Status.CANCELED, None, 200, status)
    assert expected == after_guard(answer(200, _described(0, status)), NOW)


@pytest.mark.parametrize(
    "status",
    ["completed", "complete", "Succeeded", "success", "Failed", "waitingForPublisherReview"],
)
def test_guard_not_running(status: str) -> None:
    """Any other known status ends `rejected`, `OperationNotRunning`, nothing posted."""
    expected = _not_running(f"the operation is {status!r}", 200, status)
    assert expected == after_guard(answer(200, _described(0, status)), NOW)


def test_guard_not_found() -> None:
    """404 of the guard ends `rejected`, `OperationNotRunning`, too."""
    expected = _not_running("the operation does not exist", 404)
    assert expected == after_guard(Answer(404, body=body_of("error_forbidden.json")), NOW)


@pytest.mark.parametrize("status", [400, 403, 409])
def test_guard_refused(status: int) -> None:
    """400 and 403 of the guard end `rejected` with the error."""
    reply = Answer(status, body=body_of("error_forbidden.json"))
    assert Ending(Status.REJECTED, FORBIDDEN, status) == after_guard(reply, NOW)


@pytest.mark.parametrize("status", [*OUTAGES, 302])
def test_guard_deferred(status: int) -> None:
    """401, 429 and 5xx of the guard wait, and nothing becomes uncertain."""
    expected = Defer(f"http-{status}", None, 30.0)
    assert expected == after_guard(answer(status, retry_after="30"), NOW)


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(answer(200), id="nothing"),
        pytest.param(Answer(200, body=None), id="too long"),
        pytest.param(answer(200, []), id="empty array"),
        pytest.param(answer(200, {"id": GUID}), id="no status"),
        pytest.param(answer(200, {"status": "paused"}), id="an unknown status"),
    ],
)
def test_guard_not_understood(reply: Answer) -> None:
    """A body of the guard that cannot be understood waits."""
    assert after_guard(reply, NOW) == Defer("not-understood")


@pytest.mark.parametrize(("reply", "cause", "until"), NO_ANSWERS)
def test_guard_unanswered(reply: NoAnswer, cause: str, until: object) -> None:
    """A network fault of the guard waits; as nothing was posted, nothing is uncertain."""
    found = after_guard(reply, NOW)
    assert isinstance(found, Defer)
    assert (cause, until, False) == (found.cause, found.until, found.uncertain)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param([], id="an empty list"),
        pytest.param([{"submissionState": "completed"}], id="another state"),
        pytest.param(
            [{"submissionState": "canceled", "status": "running"}], id="submissionState decides"
        ),
    ],
)
def test_look_nothing_runs(body: object) -> None:
    """Nothing running: an earlier POST did it."""
    assert Ending(Status.CANCELED, http_status=200) == after_look(answer(200, body), NOW)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        pytest.param(
            json.loads(body_of("submissions.json")),
            Operation("running", "bd4ad0f6-2185-49fe-80d2-c4ddf77bb2e8"),
            id="documented",
        ),
        pytest.param([_described(5)], _running(5), id="dated"),
        pytest.param(
            [{"status": "failed"}, {"status": "R_unning"}], Operation("R_unning"), id="the second"
        ),
    ],
)
def test_look_something_runs(body: object, found: Operation) -> None:
    """What runs is dated before anything is posted."""
    assert Date(found) == after_look(answer(200, body), NOW)


@pytest.mark.parametrize("status", [400, 403, 404, 410])
def test_look_refused(status: int) -> None:
    """When the look itself gets a definitive 4xx, it posts again."""
    assert after_look(answer(status), NOW) == Post()


@pytest.mark.parametrize("status", [*OUTAGES, 302])
def test_look_deferred(status: int) -> None:
    """401, 408, 429 or 5xx in the look defers."""
    expected = Defer(f"http-{status}", None, 30.0)
    assert expected == after_look(answer(status, retry_after="30"), NOW)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(None, id="nothing"),
        pytest.param({"value": []}, id="wrapped"),
        pytest.param([{"id": GUID}], id="an item without a status"),
    ],
)
def test_look_not_understood(body: object) -> None:
    """A list that cannot be understood may hold something that runs: it defers."""
    assert after_look(answer(200, body), NOW) == Defer("not-understood")


@pytest.mark.parametrize(("reply", "cause", "until"), NO_ANSWERS)
def test_look_unanswered(reply: NoAnswer, cause: str, until: object) -> None:
    """A network fault in the look defers."""
    assert Defer(cause, until=until) == after_look(reply, NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(answer(200, [_described(-60)]), id="old"),
        pytest.param(answer(200, _described(0)), id="begun with the first attempt"),
        pytest.param(answer(200, _described(None)), id="no date"),
        pytest.param(answer(200), id="not understood"),
        pytest.param(answer(404), id="not found"),
        pytest.param(answer(403), id="forbidden"),
    ],
)
def test_dating_old(reply: Reply) -> None:
    """What runs and is old, or has no date, is cancelled by another POST."""
    assert after_dating(reply, _running(None), NOW, NOW) == Post()


def test_dating_new() -> None:
    """What began after the first attempt is not this request's to cancel."""
    expected = _not_running(
        "what runs began at 2030-01-31T12:00:01.250000+00:00, after this request's first attempt",
        200,
        "Running",
    )
    assert expected == after_dating(answer(200, _described(1)), _running(None), NOW, NOW)


@pytest.mark.parametrize("status", OUTAGES)
def test_dating_deferred(status: int) -> None:
    """401, 408, 429 or 5xx while dating defers."""
    reply = answer(status, retry_after="30")
    expected = Defer(f"http-{status}", None, 30.0)
    assert expected == after_dating(reply, _running(None), NOW, NOW)


@pytest.mark.parametrize(("reply", "cause", "until"), NO_ANSWERS)
def test_dating_unanswered(reply: NoAnswer, cause: str, until: object) -> None:
    """A network fault while dating defers."""
    found = after_dating(reply, _running(None), NOW, NOW)
    assert Defer(cause, until=until) == found  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("created_at", "is_new"), [(None, False), (-1.0, False), (0.0, False), (0.001, True)]
)
def test_by_age(created_at: float | None, is_new: bool) -> None:
    """New is what began after the first attempt; none: it counts as old."""
    found = by_age(_running(created_at), NOW, answer(200))
    assert is_new is isinstance(found, Ending)
