"""Why a request waits can be read: in its record, in the log once per change, and in its end."""

import logging

import pytest

from local.portal.script import Answer, Fault
from tests.integration.harness import FIRST_WAIT, SHORT_TIMEOUT, Harness, MakeHarness

DAY = 24 * 3600
RUNNING = Answer(200, {"status": "running"})
HTML = Answer(200, "<html><body>soon</body></html>")


def broken(message: str) -> Answer:
    """An outage of the API, with its reason."""
    return Answer(500, {"error": {"code": "InternalServerError", "message": message}})


def answers(caplog: pytest.LogCaptureFixture) -> list[tuple[object, ...]]:
    """What was logged of answers: status, code, message, and whether it was understood."""
    names = ("lastStatus", "lastCode", "lastMessage", "isUnderstood")
    return [
        tuple(getattr(record, name, None) for name in names)
        for record in caplog.records
        if record.getMessage() == "poll.answer"
    ]


async def poll_often(harness: Harness, *script: Answer) -> None:
    """An accepted request, polled once for each answer."""
    harness.accept(*script)
    await harness.submit()
    await harness.tick_after(FIRST_WAIT)
    for _ in script[1:]:
        await harness.tick_after(300)


async def test_a_reason_is_kept_and_logged_once(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    """Three times the same, then another: two records; the HTTP status stays the POST's."""
    caplog.set_level(logging.INFO)
    first, second = broken("contoso-offer has not been migrated"), broken("busy")

    await poll_often(harness, first, first, first, second)

    await harness.holds(
        "accepted",
        HttpStatus=202,
        LastStatus=500,
        LastCode="InternalServerError",
        LastMessage="busy",
    )
    assert [
        (500, "InternalServerError", "contoso-offer has not been migrated", True),
        (500, "InternalServerError", "busy", True),
    ] == answers(caplog)


async def test_what_is_not_understood_is_logged_once(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    """A page in place of an operation, all day: one record, and another when that is over."""
    caplog.set_level(logging.INFO)

    await poll_often(harness, HTML, HTML, HTML, RUNNING, RUNNING)

    logged = answers(caplog)
    assert [(200, False), (200, True)] == [(entry[0], entry[3]) for entry in logged]
    await harness.holds("accepted", OperationStatus="running", LastStatus=200, LastCode=None)


async def test_an_operation_that_runs_is_no_news(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    """Its status is logged once; its answers are not."""
    caplog.set_level(logging.INFO)

    await poll_often(harness, RUNNING, RUNNING)

    assert [] == answers(caplog)


async def test_the_reason_is_named_at_the_end(harness: Harness) -> None:
    """An expired event names the last answer: who reads it need not look further."""
    harness.accept(broken("contoso-offer has not been migrated"))
    await harness.submit()
    await harness.tick_after(FIRST_WAIT)

    await harness.tick_after(DAY)

    message = (await harness.ends("expired", "DeadlinePassed"))["error"]["message"]
    assert "HTTP 500 InternalServerError: contoso-offer has not been migrated" in message


async def test_no_token_is_a_reason(harness: Harness, make_harness: MakeHarness) -> None:
    """Kept while it lasts, and named at the end."""
    harness.accept(RUNNING)
    await harness.submit()
    without_token = make_harness(like=harness)
    harness.around.identity.down = True

    await without_token.tick_after(FIRST_WAIT)
    record = await harness.holds("accepted", Polls=0, LastStatus=None)
    await without_token.tick_after(DAY)
    await without_token.tick_after(DAY)

    assert record["LastCode"]
    message = (await harness.ends("expired", "DeadlinePassed"))["error"]["message"]
    assert record["LastCode"] in message


async def test_no_answer_is_a_reason(make_harness: MakeHarness) -> None:
    """A time-out has no status; what kept it from being answered is kept."""
    harness = make_harness(**SHORT_TIMEOUT)

    await poll_often(harness, Answer(fault=Fault.HANG))

    record = await harness.holds("accepted", Polls=1, LastStatus=None)
    assert ("TimeoutError", "nothing within 2 s") == (record["LastCode"], record["LastMessage"])


async def test_a_secret_in_a_reason_is_masked(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    """An error page that quotes the request's headers tells nobody the token."""
    caplog.set_level(logging.INFO)
    token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJjb250b3NvIn0.c2lnbmF0dXJl"

    await poll_often(harness, broken(f"Authorization: Bearer {token}"))

    record = await harness.holds("accepted", LastStatus=500)
    assert "***" in record["LastMessage"]
    assert token not in str(record) + str(answers(caplog))
