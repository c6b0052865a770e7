"""Where an accepted request is polled, and how that place can move."""

import logging

import pytest

from local.portal.script import Answer
from tests.integration.harness import FIRST_WAIT, OPERATION, Harness

NEXT = "66615b67-2185-49fe-80d2-c4ddf77bb2e8"
DONE = Answer(200, {"status": "completed"})


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, {"status": "running"}),
        Answer(202, {"status": "running"}),
        Answer(202),
        Answer(200, "<p>soon</p>"),
        Answer(302),
        Answer(307),
    ],
    ids=lambda answer: f"{answer.status} {answer.body}",
)
@pytest.mark.parametrize("is_absolute", [False, True])
async def test_a_new_location_is_polled_from_then_on(
    harness: Harness, answer: Answer, is_absolute: bool
) -> None:
    """A valid Location in a pending answer: the next poll goes there, not this one."""
    location = f"{harness.base}/operations/{NEXT}"
    given = f"{{url}}{location}" if is_absolute else location
    harness.accept(Answer(answer.status, answer.body, {"Location": given}), DONE)
    await harness.submit()

    await harness.tick_after(FIRST_WAIT)

    await harness.holds("accepted", Polls=1, Location=f"{location}?api-version=2017-10-31")
    await harness.tick_after(60)
    await harness.ends("canceled")
    assert [OPERATION, NEXT] == [seen.path.rpartition("/")[2] for seen in harness.seen("operation")]


@pytest.mark.parametrize(
    "location",
    ["https://evil.example/api/x", "//evil.example/api/x", "/login", "/api/../x", "http://[/api/"],
)
@pytest.mark.parametrize("status", [200, 302])
async def test_an_untrusted_new_location_is_ignored(
    harness: Harness, location: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Logged, and polled where it was."""
    caplog.set_level(logging.INFO)
    harness.accept(Answer(status, {"status": "running"}, {"Location": location}), DONE)
    await harness.submit()

    await harness.tick_after(FIRST_WAIT)

    await harness.holds("accepted", Polls=1, Location=harness.location)
    assert "poll.untrusted_location" in [entry.message for entry in caplog.records]
    await harness.tick_after(60)
    await harness.ends("canceled")


async def test_a_list_can_move_to_a_location(harness: Harness) -> None:
    """A request without a location gets one from a pending answer."""
    running = [{"submissionState": "running"}]
    harness.script(
        cancel=[Answer(202)],
        submissions=[Answer(200, running, {"Location": harness.location})],
        operation=[DONE],
    )
    await harness.submit()
    await harness.tick_after(FIRST_WAIT)
    await harness.holds("accepted", Location=harness.location)

    await harness.tick_after(60)

    await harness.ends("canceled")
