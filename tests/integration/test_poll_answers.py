"""What the answer to a poll makes of an accepted request."""

import gzip
import logging
from email.utils import format_datetime

import pytest

from local.portal.script import Answer, Fault
from tests.integration.harness import (
    FIRST_WAIT,
    SHORT_TIMEOUT,
    Harness,
    MakeHarness,
    timeout_for,
)

SECOND_WAIT = 45  # seconds: the backoff after the first poll
RUNNING = Answer(200, {"status": "running"})
DONE = Answer(200, {"status": "completed"})
HTML = "<html><body>soon</body></html>"
FORBIDDEN = {"error": {"code": "Forbidden", "message": "no such permission"}}


async def poll(harness: Harness, *answers: Answer) -> None:
    """An accepted request, polled once; more answers are for later polls."""
    harness.accept(*answers)
    await harness.submit()
    await harness.holds("accepted", Polls=0)
    await harness.tick_after(FIRST_WAIT)


async def is_pending(harness: Harness, **columns: object) -> None:
    """Polled once, and due again after the backoff."""
    await harness.holds("accepted", Polls=1, **columns)
    assert await harness.due_at(FIRST_WAIT + SECOND_WAIT)


@pytest.mark.parametrize(
    ("status", "word"), [(200, "completed"), (202, "succeeded"), (200, " CAN-cel_led ")]
)
async def test_a_good_end_is_canceled(harness: Harness, status: int, word: str) -> None:
    """The operation is done; its raw status is kept, and the POST's HTTP status."""
    await poll(harness, Answer(status, [{"status": word}]))

    data = await harness.ends("canceled")
    assert (data["operationStatus"], data["httpStatus"], data["polls"]) == (word.strip(), 202, 1)
    assert {} == await harness.tick_after(SECOND_WAIT)


@pytest.mark.parametrize("status", [200, 202])
async def test_a_failed_operation_fails(harness: Harness, status: int) -> None:
    """With the operation's error and its failing steps' messages, as plain text."""
    steps = [
        {"stepName": "Validate", "status": "completed", "messages": [{"messageHtml": "fine"}]},
        {
            "stepName": "Publish",
            "status": "Failed",
            "messages": [{"messageHtml": "<p>already <b>live</b>&nbsp;&amp; sold</p>"}],
        },
    ]
    error = {"code": "Conflict", "message": "cannot cancel"}

    await poll(harness, Answer(status, [{"status": "Failed", "error": error, "steps": steps}]))

    data = await harness.ends("failed", "OperationFailed")
    assert "Conflict: cannot cancel; Publish: already live & sold" == data["error"]["message"]
    assert "Failed" == data["operationStatus"]


@pytest.mark.parametrize(("status", "word"), [(200, "running"), (202, "Brewing")])
async def test_any_other_status_is_pending(harness: Harness, status: int, word: str) -> None:
    """Polled again after the backoff; the raw status is kept."""
    await poll(harness, Answer(status, {"status": word}))

    await is_pending(harness, OperationStatus=word)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200),
        Answer(204),
        Answer(200, HTML),
        Answer(200, []),
        Answer(200, '"completed"'),
        Answer(200, {"id": "x"}),
        Answer(200, {"status": {"is": "completed"}}),
        Answer(200, {"status": "completed"}, fault=Fault.TRUNCATE),
        Answer(200, '{"status": "completed", "x": "' + "x" * 1024 * 1024 + '"}'),
        Answer(405, FORBIDDEN),
        Answer(409, FORBIDDEN),
    ],
    ids=lambda answer: f"{answer.status} {str(answer.body)[:20]} {answer.fault}",
)
async def test_what_cannot_be_understood_is_pending(harness: Harness, answer: Answer) -> None:
    """It says nothing about the operation: polled again."""
    await poll(harness, answer, DONE)

    await is_pending(harness, OperationStatus=None)
    await harness.tick_after(SECOND_WAIT)
    assert 2 == (await harness.ends("canceled"))["polls"]


@pytest.mark.parametrize("status", [302, 308])
async def test_a_redirect_is_not_followed(harness: Harness, status: int) -> None:
    """It cannot be understood; without a place to go it is polled where it was."""
    await poll(harness, Answer(status, {"status": "completed"}), DONE)

    await is_pending(harness, Location=harness.location)
    assert 1 == harness.count("operation")


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (gzip.compress(b'{"status": "completed"}'), "gzip"),
        (b'{"status": "completed"}', "utf-8"),
    ],
    ids=["gzip", "unknown"],
)
async def test_a_body_that_came_encoded_is_read(harness: Harness, body: bytes, coding: str) -> None:
    """No coding was asked for; what comes is read all the same."""
    await poll(harness, Answer(200, body, {"Content-Encoding": coding}))

    await harness.ends("canceled")


async def test_a_status_is_logged_when_it_changes(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    """Not at each poll."""
    caplog.set_level(logging.INFO)
    await poll(harness, RUNNING, RUNNING, Answer(200, {"status": "slow"}), DONE)
    for _ in range(3):
        await harness.tick_after(300)

    logged = [
        getattr(entry, "operationStatus", None)
        for entry in caplog.records
        if entry.message == "poll.status"
    ]
    assert ["running", "slow"] == logged
    await harness.ends("canceled")


@pytest.mark.parametrize(
    "answer",
    [
        *(Answer(status, FORBIDDEN) for status in (408, 429, 503)),
        Answer(fault=Fault.RESET_BEFORE),
        Answer(fault=Fault.RESET_AFTER),
        Answer(fault=Fault.HANG),
    ],
    ids=lambda answer: str(answer.fault or answer.status),
)
async def test_an_outage_is_pending(make_harness: MakeHarness, answer: Answer) -> None:
    """Waits grow, nothing ends, nothing gets uncertain; afterwards it goes on."""
    harness = make_harness(**timeout_for(answer))
    # A GET whose kept-alive connection is reset is sent once more by aiohttp itself.
    is_reset = answer.fault in (Fault.RESET_BEFORE, Fault.RESET_AFTER)
    await poll(harness, *[answer] * (2 if is_reset else 1), DONE)

    await is_pending(harness, Uncertain=False)
    assert {} == await harness.tick_after(SECOND_WAIT - 0.001)
    assert {"canceled": 1} == await harness.tick_after(0.001)
    assert 2 == (await harness.ends("canceled"))["polls"]


async def test_a_401_gets_one_fresh_token(harness: Harness) -> None:
    """The repeat is the same poll."""
    await poll(harness, Answer(401), DONE)

    data = await harness.ends("canceled")
    tokens = {seen.token_jti for seen in harness.seen("operation")}
    assert (1, 2) == (data["polls"], len(tokens))


async def test_a_second_401_is_an_outage(harness: Harness) -> None:
    """One fresh token, then as 5xx."""
    await poll(harness, Answer(401), Answer(401), DONE)

    await is_pending(harness)
    assert 2 == harness.count("operation")


async def test_without_a_token_it_is_pending(harness: Harness) -> None:
    """An outage of the token endpoint: nothing is sent, and it goes on afterwards."""
    harness.accept(DONE)
    await harness.submit()
    harness.around.identity.revoke_all()
    harness.around.identity.down = True

    await harness.tick_after(FIRST_WAIT)

    await harness.holds("accepted")
    harness.around.identity.down = False
    await harness.tick_after(SECOND_WAIT)
    await harness.ends("canceled")
    assert all("401" in refusal for refusal in harness.refused())


@pytest.mark.parametrize("status", [200, 404, 429, 503])
@pytest.mark.parametrize(
    ("asked", "wait"), [("5", 5), ("0", 1), ("9999", 3600), ("119.5", 120), ("x", 45)]
)
async def test_retry_after_wins(harness: Harness, status: int, asked: str, wait: float) -> None:
    """In seconds, within 1 s and 1 h; what cannot be read is ignored."""
    await poll(harness, Answer(status, {"status": "running"}, {"Retry-After": asked}))

    await harness.holds("accepted", Polls=1)
    assert await harness.due_at(FIRST_WAIT + wait)


async def test_retry_after_of_the_202_wins_and_may_be_a_date(harness: Harness) -> None:
    """The first poll, too, comes when the API says."""
    date = harness.clock.at(120).replace(microsecond=0)
    headers = {"Location": harness.location, "Retry-After": format_datetime(date, usegmt=True)}
    harness.script(cancel=[Answer(202, headers=headers)])

    await harness.submit()

    assert date == (await harness.holds("accepted"))["NextTryAt"]


async def test_waits_grow_until_the_longest(harness: Harness) -> None:
    """The more polls, the longer the wait, up to BACKOFF_MAX_SECONDS."""
    await poll(harness, RUNNING)
    waits = []

    for _ in range(5):
        record = await harness.holds("accepted")
        waits.append((record["NextTryAt"] - harness.clock()).total_seconds())
        await harness.tick_after(waits[-1])

    assert [45, 90, 180, 225, 225] == waits


async def test_a_429_pauses_every_poll(harness: Harness) -> None:
    """Until the pause is over no other request is polled either; that is no poll of theirs."""
    harness.accept(DONE)
    await harness.submit(requestId="other")
    harness.clock.advance(10)
    other = harness.location
    harness.location = f"{harness.base}/operations/2?api-version=2017-10-31"
    harness.accept(Answer(429, headers={"Retry-After": "60"}), DONE)
    await harness.submit()
    await harness.edit(NextTryAt=harness.clock(), DueAt=harness.clock())
    await harness.add_due_row(10)
    await harness.tick()
    assert 1 == (await harness.record())["Polls"]

    await harness.tick_after(FIRST_WAIT)

    waiting = await harness.record("other")
    assert ("accepted", 0, other) == (waiting["Status"], waiting["Polls"], waiting["Location"])
    assert waiting["NextTryAt"] >= harness.clock.at(70)
    await harness.check_rule_1("other")
    assert 1 == harness.count("operation")
    await harness.tick_after(600)
    await harness.tick_after(600)
    assert {"canceled"} == {event["data"]["status"] for event in await harness.outcomes()}


@pytest.mark.parametrize("status", [400, 403, 404, 410])
async def test_a_refusal_counts_only_after_its_grace(harness: Harness, status: int) -> None:
    """POLL_GRACE_SECONDS on end without another answer: failed, with the error."""
    refusal = Answer(status, FORBIDDEN, {"Retry-After": "300"})
    await poll(harness, refusal)
    await harness.holds("accepted", Polls=1)
    await harness.tick_after(300)
    await harness.holds("accepted", Polls=2)

    await harness.tick_after(300)

    data = await harness.ends("failed", "Forbidden")
    assert (status, 3) == (data["httpStatus"], data["polls"])


@pytest.mark.parametrize("other", [RUNNING, Answer(503), Answer(200, HTML)], ids=str)
async def test_another_answer_starts_the_grace_anew(harness: Harness, other: Answer) -> None:
    """A refusal must have been the only answer all the while."""
    await poll(harness, Answer(404), other, Answer(404), Answer(404), Answer(404))
    for _ in range(3):
        await harness.tick_after(400)
        await harness.holds("accepted")

    await harness.tick_after(400)

    await harness.ends("failed", "Http404")


async def test_no_answer_does_not_start_the_grace_anew(make_harness: MakeHarness) -> None:
    """A time-out is no answer: the refusals were still the only one."""
    harness = make_harness(**SHORT_TIMEOUT)
    await poll(harness, Answer(404), Answer(fault=Fault.HANG), Answer(404))
    await harness.tick_after(300)
    await harness.holds("accepted", Polls=2)

    await harness.tick_after(300)

    await harness.ends("failed", "Http404")


@pytest.mark.parametrize(("grace", "status"), [("0", "failed"), ("601", "accepted")])
async def test_the_grace_is_a_setting(make_harness: MakeHarness, grace: str, status: str) -> None:
    """None at all, or longer."""
    harness = make_harness(POLL_GRACE_SECONDS=grace)
    await poll(harness, Answer(404))

    await harness.tick_after(600)

    assert status == (await harness.record())["Status"]
