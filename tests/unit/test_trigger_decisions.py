"""What an answer of the API means for a submission."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cancel_trigger.decisions import (
    NO_TIME,
    Accept,
    Defer,
    Post,
    interpret_guard,
    interpret_look,
    interpret_post,
)
from offer_cancellation.ledger.record import Record
from offer_cancellation.portal.answer import Answer, Cause, NoAnswer, Reply, error_of
from offer_cancellation.portal.look import Finding, Found, Look
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
    record,
    seconds,
)

GRACE = 600.0
FIRST = record()  # nothing posted before
AFTER_UNCERTAIN = record(uncertain=True, uncertain_since=seconds(-60), attempts=1)
REASON = Error("ClientConnectorError", "refused")
OPERATION = f"{OFFER}/operations/{GUID}"
VERSION = f"?api-version={API_VERSION}"
FORBIDDEN = Error("Forbidden", "User does not have the required permissions")

NO_ANSWERS = [
    pytest.param(
        NoAnswer(Cause.NETWORK, sent=False, error=REASON), "network", None, id="nothing sent"
    ),
    pytest.param(NoAnswer(Cause.NETWORK, sent=True), "network", None, id="reset"),
    pytest.param(NoAnswer(Cause.TIME_OUT, sent=True), "time-out", None, id="time-out"),
    pytest.param(NoAnswer(Cause.TOKEN, sent=False), "token", None, id="no token"),
    pytest.param(
        NoAnswer(Cause.THROTTLED, sent=False, paused_until=seconds(60)), "throttled", seconds(60),
        id="a common pause",
    ),
]  # fmt: skip
OUTAGES = [401, 408, 429, 500, 502, 503, 504]


def _post(reply: Reply, before: Record = FIRST) -> Accept | Ending | Defer:
    return interpret_post(reply, before, NOW, GRACE, API_VERSION)


def _later(reply: Answer, cause: str | None = None) -> Defer:
    """What an answer that says "not now" means; Retry-After is 30 s where there is one."""
    wait = 30.0 if "retry-after" in reply.headers else None
    return Defer(
        cause or f"http-{reply.status}", None, wait, error=error_of(reply), answered=reply.status
    )


def _described(status: str = "Running") -> dict[str, str]:
    return {"id": GUID, "status": status}


def _not_running(text: str, http_status: int, operation_status: str | None = None) -> Ending:
    error = Error("OperationNotRunning", text)
    return Ending(Status.REJECTED, error, http_status, operation_status)


@pytest.mark.parametrize("status", [200, 201, 204])
@pytest.mark.parametrize(
    "value",
    [None, {}, [], {"id": GUID}, "done", True, {"error": None}, {"message": "Done."}, ["x"]],
    ids=str,
)
def test_post_done(status: int, value: object) -> None:
    """Cancelled at once: an empty body, or any JSON that says nothing else."""
    expected = Ending(Status.CANCELED, http_status=status)
    assert expected == _post(answer(status, value))


def test_post_done_with_null() -> None:
    """`null` is JSON, too."""
    assert Ending(Status.CANCELED, http_status=200) == _post(Answer(200, body=b"null"))


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("Completed", Status.CANCELED),
        ("succeeded", Status.CANCELED),
        ("cancelled", Status.CANCELED),
        ("failed", Status.FAILED),
    ],
)
@pytest.mark.parametrize("is_array", [True, False])
def test_post_describes_the_end(status: int, word: str, expected: Status, is_array: bool) -> None:
    """An operation in the body of a 2xx counts as a poll's answer does."""
    value = {"status": word}
    found = _post(answer(status, [value] if is_array else value))
    assert isinstance(found, Ending)
    assert (expected, status, word) == (found.status, found.http_status, found.operation_status)


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize("word", ["running", "Not Started", "waitingForPublisherReview", "odd"])
def test_post_describes_what_runs(status: int, word: str) -> None:
    """Any other status of an operation is accepted, and kept."""
    reply = answer(status, [{"status": word}], retry_after="30")
    assert Accept(status, None, 30.0, word) == _post(reply)


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({"error": {"code": "OperationNotAllowed", "message": "No."}}, "OperationNotAllowed"),
        ({"error": "No."}, None),
        ({"code": "Bad", "message": "No."}, "Bad"),
        ({"Code": "Bad", "Message": "No."}, "Bad"),
        ([{"error": {"code": "Bad", "message": "No."}}], "Bad"),
        ({"status": 400, "code": "Bad", "message": "No."}, "Bad"),
    ],
)
def test_post_answers_an_error(status: int, value: object, code: str | None) -> None:
    """A 2xx whose body is an error is a refusal."""
    expected = Ending(Status.REJECTED, Error(code or f"Http{status}", "No."), status)
    assert expected == _post(answer(status, value))


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Answer(200, body=body_of("gateway.html")), id="HTML"),
        pytest.param(Answer(200, body=None), id="too long, or broken off"),
        pytest.param(Answer(201, body=b"\xff"), id="binary"),
        pytest.param(Answer(203, body=b"<html>Sign in</html>"), id="of a proxy"),
        pytest.param(Answer(203), id="of a proxy, empty"),
        pytest.param(answer(203, {"status": "completed"}), id="of a proxy, JSON"),
        pytest.param(answer(205), id="205"),
        pytest.param(answer(206, []), id="206"),
        pytest.param(answer(226, location="/api/x"), id="226"),
        pytest.param(answer(299), id="299"),
    ],
)
def test_post_not_understood(reply: Answer) -> None:
    """Any other 2xx, or a body that is not JSON: the POST may have worked, and is looked after."""
    expected = _later(reply, "not-understood")
    assert replace(expected, http_status=reply.status, uncertain=True) == _post(reply)


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
        pytest.param(answer(202, {"id": GUID}), None, id="none in the body"),
        pytest.param(answer(202, "accepted"), None, id="a word in the body"),
        pytest.param(Answer(202, body=body_of("gateway.html")), None, id="HTML"),
        pytest.param(Answer(202, body=None), None, id="a body too long"),
    ],
)
def test_post_accepted(reply: Answer, location: str | None) -> None:
    """202: the operation is polled at its location, or else the offer's list is."""
    assert Accept(202, location, None) == _post(reply)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
@pytest.mark.parametrize(
    ("value", "headers"),
    [
        ([{"status": "running"}], {"operation_location": "/api/a"}),
        ({"status": "completed", "location": "/api/a"}, {}),
        ("/api/a", {}),
        (f"{API}/api/a", {}),
        ({"error": {"code": "Bad"}}, {"location": "/api/a"}),
    ],
)
def test_post_with_a_location(status: int, value: object, headers: dict[str, str]) -> None:
    """A location comes first: what it names decides, whatever else the answer says."""
    found = _post(answer(status, value, **headers))
    assert isinstance(found, Accept)
    assert (status, f"/api/a{VERSION}") == (found.http_status, found.location)


@pytest.mark.parametrize("status", [200, 202])
def test_post_with_a_broken_body_and_a_location(status: int) -> None:
    """The header has arrived whole, whatever became of the body."""
    reply = Answer(status, {"location": "/api/a"}, None, f"{API}{OFFER}/cancel")
    assert Accept(status, f"/api/a{VERSION}", None) == _post(reply)


@pytest.mark.parametrize("location", ["/api/a", ""])
def test_post_accepted_with_retry_after(location: str) -> None:
    """A 202's Retry-After says when the first poll may be, with a location or without."""
    found = _post(answer(202, location=location, retry_after="60"))
    assert isinstance(found, Accept)
    assert 60 == found.retry_after


def test_post_untrusted_location() -> None:
    """A 202 with a location of another origin ends `failed`, the location kept for reading."""
    error = Error("UntrustedLocation", "the location is not followed: its origin is not the API's")
    expected = Ending(Status.FAILED, error, 202, location="https://evil.com/api/x")
    reply = answer(202, location="https://evil.com/api/x")
    assert expected == _post(reply)


@pytest.mark.parametrize("status", [400, 403, 404, 405, 409, 410, 412, 422])
def test_post_refused(status: int) -> None:
    """A definitive 4xx of the POST is never retried; code and message reach the event."""
    reply = Answer(status, body=body_of("error_forbidden.json"))
    expected = Ending(Status.REJECTED, FORBIDDEN, status)
    assert expected == _post(reply)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_post_redirected(status: int) -> None:
    """A redirect of the POST is a definitive answer, and never followed."""
    found = _post(answer(status, location=f"{API}/api/x"))
    assert isinstance(found, Ending)
    assert (Status.REJECTED, status, None) == (found.status, found.http_status, found.location)
    assert found.error is not None
    assert f"Http{status}" == found.error.code


@pytest.mark.parametrize(
    ("status", "uncertain"),
    [
        (401, False),
        (408, True),
        (429, False),
        (500, True),
        (501, True),
        (502, True),
        (503, True),
        (504, True),
        (522, True),
        (599, True),
    ],
)
def test_post_deferred(status: int, uncertain: bool) -> None:
    """401, 408, 429 and 5xx wait; after 408 and any 5xx the POST may have arrived."""
    reply = answer(status, {"error": {"code": "Busy", "message": "Later."}}, retry_after="30")
    expected = Defer(
        f"http-{status}",
        status,
        30.0,
        uncertain=uncertain,
        error=Error("Busy", "Later."),
        answered=status,
    )
    assert expected == _post(reply)
    assert expected == _post(reply, replace(AFTER_UNCERTAIN, refused_since=seconds(-9)))


@pytest.mark.parametrize(("reply", "cause", "until"), NO_ANSWERS)
def test_post_unanswered(reply: NoAnswer, cause: str, until: object) -> None:
    """An attempt without an answer is uncertain when its POST may have arrived."""
    found = _post(reply, replace(AFTER_UNCERTAIN, refused_since=seconds(-9)))
    assert isinstance(found, Defer)
    assert (cause, None, until) == (found.cause, found.http_status, found.paused_until)
    assert (reply.sent, reply.error) == (found.uncertain, found.error)
    assert seconds(-9) == found.refused_since


@pytest.mark.parametrize("status", [400, 404, 409])
@pytest.mark.parametrize("since", [None, 0.0, -599.999])
def test_post_refused_after_an_uncertain_one(status: int, since: float | None) -> None:
    """The first POST may be at work: 400, 404, 409 wait for POLL_GRACE_SECONDS."""
    reply = answer(status, retry_after="30")
    refused_since = None if since is None else seconds(since)
    before = replace(AFTER_UNCERTAIN, refused_since=refused_since)
    expected = replace(_later(reply), http_status=status, refused_since=refused_since or NOW)
    assert expected == _post(reply, before)


@pytest.mark.parametrize(
    ("status", "since"), [(400, -600.0), (404, -9999.0), (409, -600.0), (403, 0.0), (410, None)]
)
def test_post_refused_for_good(status: int, since: float | None) -> None:
    """After that time they count, and any other definitive answer does at once."""
    refused_since = None if since is None else seconds(since)
    before = replace(AFTER_UNCERTAIN, refused_since=refused_since)
    expected = Ending(Status.REJECTED, FORBIDDEN, status)
    assert expected == _post(Answer(status, body=body_of("error_forbidden.json")), before)


@given(
    status=st.integers(200, 599),
    body=st.none() | st.binary(max_size=60) | st.just(b'[{"status":"completed"}]'),
    location=st.text(max_size=20) | st.just("/api/x"),
    is_uncertain=st.booleans(),
)
def test_any_answer(status: int, body: bytes | None, location: str, is_uncertain: bool) -> None:
    """Only a 2xx cancels or is accepted; only a 3xx or 4xx, or an error in a 2xx, rejects."""
    reply = Answer(status, {"location": location}, body, OPERATION_URL)
    found = _post(reply, AFTER_UNCERTAIN if is_uncertain else FIRST)
    if isinstance(found, Accept):
        assert 200 <= status < 300
    elif isinstance(found, Ending):
        assert status < (500 if found.status is Status.REJECTED else 300)
    else:
        assert found.error is not None


@pytest.mark.parametrize("status", ["running", "Running", "not started", "NotStarted"])
def test_guard_lets_through(status: str) -> None:
    """Only an operation that runs, or has not started, is cancelled."""
    assert Post() == interpret_guard(answer(200, _described(status)), NOW)


def test_guard_reads_the_documented_body() -> None:
    """The guard's operation may come as an array of one."""
    reply = Answer(200, body=body_of("operation_running.json"), url=OPERATION_URL)
    assert Post() == interpret_guard(reply, NOW)


@pytest.mark.parametrize("status", ["canceled", "Cancelled"])
def test_guard_canceled_already(status: str) -> None:
    """An operation that is canceled already ends `canceled`, nothing posted."""
    expected = Ending(Status.CANCELED, None, 200, status)
    assert expected == interpret_guard(answer(200, _described(status)), NOW)


@pytest.mark.parametrize(
    "status",
    ["completed", "complete", "Succeeded", "success", "Failed", "waitingForPublisherReview"],
)
def test_guard_not_running(status: str) -> None:
    """Any other known status ends `rejected`, `OperationNotRunning`, nothing posted."""
    expected = _not_running(f"the operation is {status!r}", 200, status)
    assert expected == interpret_guard(answer(200, _described(status)), NOW)


def test_guard_not_found() -> None:
    """404 of the guard ends `rejected`, `OperationNotRunning`, too."""
    expected = _not_running("the operation does not exist", 404)
    assert expected == interpret_guard(Answer(404, body=body_of("error_forbidden.json")), NOW)


@pytest.mark.parametrize("status", [400, 403, 409])
def test_guard_refused(status: int) -> None:
    """400 and 403 of the guard end `rejected` with the error."""
    reply = Answer(status, body=body_of("error_forbidden.json"))
    assert Ending(Status.REJECTED, FORBIDDEN, status) == interpret_guard(reply, NOW)


@pytest.mark.parametrize("status", [*OUTAGES, 302])
def test_guard_deferred(status: int) -> None:
    """401, 429 and 5xx of the guard wait, and nothing becomes uncertain."""
    reply = answer(status, retry_after="30")
    assert _later(reply) == interpret_guard(reply, NOW)


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
    assert _later(reply, "not-understood") == interpret_guard(reply, NOW)


@pytest.mark.parametrize(("reply", "cause", "until"), NO_ANSWERS)
def test_guard_unanswered(reply: NoAnswer, cause: str, until: object) -> None:
    """A network fault of the guard waits; as nothing was posted, nothing is uncertain."""
    found = interpret_guard(reply, NOW)
    assert isinstance(found, Defer)
    assert (cause, until, False) == (found.cause, found.paused_until, found.uncertain)


def _look(reply: Reply, finding: Finding | None = None) -> Post | Ending | Defer:
    return interpret_look(Look(reply, finding), NOW)


def test_look_something_runs() -> None:
    """What ran before is still there: posted again."""
    assert Post() == _look(answer(200, []), Finding(Found.ACTIVE, "running"))


def test_look_canceled() -> None:
    """Nothing runs any more: an earlier POST did it."""
    expected = Ending(Status.CANCELED, None, 200, "Canceled")
    assert expected == _look(answer(200, []), Finding(Found.CANCELED, "Canceled"))


@pytest.mark.parametrize("found", [Found.NEW, Found.ENDED])
def test_look_not_running(found: Found) -> None:
    """What is another's, or ended by itself, is not this request's to cancel."""
    expected = _not_running("because", 200, "Running")
    assert expected == _look(answer(200, []), Finding(found, "Running", "because"))


@pytest.mark.parametrize("status", [400, 403, 404, 405, 410])
def test_look_refused(status: int) -> None:
    """When the look itself gets a definitive 4xx, it posts again."""
    assert Post() == _look(answer(status))


@pytest.mark.parametrize("status", [*OUTAGES, 301, 302])
def test_look_deferred(status: int) -> None:
    """401, 408, 429, 5xx or a redirect in the look defers."""
    reply = answer(status, retry_after="30")
    assert _later(reply) == _look(reply)


def test_look_not_understood() -> None:
    """A list that cannot be understood may hold something that runs: it defers."""
    reply = answer(200, {"value": []})
    assert _later(reply, "not-understood") == _look(reply)


@pytest.mark.parametrize(("reply", "cause", "until"), NO_ANSWERS)
def test_look_unanswered(reply: NoAnswer, cause: str, until: object) -> None:
    """A network fault in the look defers."""
    expected = Defer(cause, paused_until=until, error=reply.error)  # type: ignore[arg-type]
    assert expected == _look(reply)


def test_look_without_time() -> None:
    """An invocation that would outlive its lease defers instead."""
    assert NO_TIME == _look(NoAnswer(Cause.NO_TIME, sent=False))
