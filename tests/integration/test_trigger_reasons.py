"""Why a request waits: kept in its record, logged once per change, told when it expires."""

import logging

import pytest

from local.portal.script import Answer
from tests.integration.harness import Harness

BUSY = {"error": {"code": "Busy", "message": "Come back later."}}
LOCKED = {"error": {"code": "Locked", "message": "Sign in."}}


async def _attempt(harness: Harness) -> None:
    """The next attempt, when it is due."""
    record = await harness.holds("deferred")
    await harness.tick_after((record["NextTryAt"] - harness.clock()).total_seconds())
    await harness.deliver()


async def _expire(harness: Harness) -> str:
    """The deadline passes; what the event says."""
    await harness.tick_after(24 * 3600)
    data = await harness.ends("expired", "DeadlinePassed")
    return str(data["error"]["message"])


async def test_the_last_answer_is_kept_and_told(harness: Harness) -> None:
    """Status, code and message; what the event would show is left alone."""
    harness.script(cancel=[Answer(429, BUSY)])

    await harness.submit()

    await harness.holds(
        "deferred", LastStatus=429, LastCode="Busy", LastMessage="Come back later.",
        ErrorCode=None, ErrorMessage=None,
    )  # fmt: skip
    assert "HTTP 429 Busy: Come back later." in await _expire(harness)


async def test_a_reason_is_logged_once_per_change(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    """Every deferral is logged; its reason only where it is another than before."""
    caplog.set_level(logging.INFO)
    answers = [Answer(429, BUSY), Answer(429, BUSY), Answer(401, LOCKED), Answer(401, LOCKED)]
    harness.script(cancel=[*answers, Answer(429, BUSY)])
    await harness.submit()
    for _ in range(3):
        await _attempt(harness)

    logged = [vars(one) for one in caplog.records if one.getMessage() == "cancel.deferred"]

    assert ["http-429", "http-429", "http-401", "http-429"] == [one["cause"] for one in logged]
    names = ("lastStatus", "lastCode", "lastMessage")
    assert [
        (429, "Busy", "Come back later."),
        (None, None, None),
        (401, "Locked", "Sign in."),
        (429, "Busy", "Come back later."),
    ] == [tuple(one.get(name) for name in names) for one in logged]


async def test_why_there_was_no_token_is_kept_and_told(harness: Harness) -> None:
    """No answer of the API, but what the identity said: an operator can mend it."""
    harness.around.identity.down = True

    await harness.submit()

    record = await harness.holds("deferred", LastStatus=None, Attempts=0, Uncertain=False)
    assert record["LastCode"]
    assert record["LastMessage"]
    told = await _expire(harness)
    assert f"{record['LastCode']}: {record['LastMessage']}" in told


async def test_a_reason_holds_no_secret(harness: Harness) -> None:
    """Whatever the API echoes."""
    token = "eyJhbGciOiJIUzI1NiJ9.eyJhdWQiOiJhcGkifQ.c2lnbmF0dXJl"
    echo = {"error": {"code": "Busy", "message": f"no luck with Bearer {token}"}}
    harness.script(cancel=[Answer(429, echo)])

    await harness.submit()

    record = await harness.holds("deferred", LastCode="Busy")
    assert "***" in record["LastMessage"]
    assert "eyJ" not in await _expire(harness)
