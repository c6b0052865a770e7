"""The guard: before each POST, `operationId` is read, and only what runs is cancelled."""

import pytest

from local.portal.script import Answer, Fault
from tests.integration.harness import FIRST_WAIT, OPERATION, Harness, MakeHarness, timeout_for

FORBIDDEN = {"error": {"code": "Forbidden", "message": "no such permission"}}


async def submit(harness: Harness, *guard: Answer, cancel: Answer | None = None) -> None:
    """Submits a guarded request; the guard's operation reads as given."""
    harness.script(cancel=[cancel or Answer(200)], operation=list(guard))
    await harness.submit(operationId=OPERATION)


@pytest.mark.parametrize(
    "body",
    [
        {"status": "running"},
        [{"status": "Running", "id": OPERATION}],
        {"status": "not started"},
        [{"status": "NotStarted"}],
        {"submissionState": "running"},
    ],
    ids=str,
)
async def test_what_runs_or_has_not_started_is_cancelled(harness: Harness, body: object) -> None:
    """The operation is read at its documented place, then the POST follows."""
    await submit(harness, Answer(200, body))

    data = await harness.ends("canceled")
    assert [(seen.kind, seen.path) for seen in harness.seen()] == [
        ("operation", f"{harness.base}/operations/{OPERATION}"),
        ("cancel", f"{harness.base}/cancel"),
    ]
    assert (OPERATION, 1, 0) == (data["operationId"], data["attempts"], data["polls"])


@pytest.mark.parametrize("word", ["canceled", "Cancelled"])
async def test_what_is_cancelled_already_needs_no_post(harness: Harness, word: str) -> None:
    """Nothing is posted; the request ends canceled all the same."""
    await submit(harness, Answer(200, [{"status": word}]))

    data = await harness.ends("canceled")
    assert (word, 200, 0) == (data["operationStatus"], data["httpStatus"], data["attempts"])
    assert 0 == harness.count("cancel")


@pytest.mark.parametrize(
    "word", ["completed", "Complete", "succeeded", "success", "failed", "waitingForPublisherReview"]
)
async def test_what_does_not_run_is_not_cancelled(harness: Harness, word: str) -> None:
    """Any other known status rejects, with nothing posted."""
    await submit(harness, Answer(200, {"status": word}))

    data = await harness.ends("rejected", "OperationNotRunning")
    assert (word, 0) == (data["operationStatus"], data["attempts"])
    assert 0 == harness.count("cancel")


async def test_an_operation_that_does_not_exist_is_not_cancelled(harness: Harness) -> None:
    """A 404 of the guard rejects, with nothing posted."""
    await submit(harness, Answer(404, FORBIDDEN))

    data = await harness.ends("rejected", "OperationNotRunning")
    assert (404, 0) == (data["httpStatus"], data["attempts"])
    assert 0 == harness.count("cancel")


@pytest.mark.parametrize("status", [400, 403])
async def test_a_refused_guard_rejects_with_its_error(harness: Harness, status: int) -> None:
    """400 and 403 end the request with the body's code, with nothing posted."""
    await submit(harness, Answer(status, FORBIDDEN))

    assert status == (await harness.ends("rejected", "Forbidden"))["httpStatus"]
    assert 0 == harness.count("cancel")


@pytest.mark.parametrize(
    "answer",
    [
        *(Answer(status) for status in (401, 429, 503)),
        Answer(fault=Fault.RESET_AFTER),
        Answer(fault=Fault.HANG),
        Answer(200, {"status": "brewing"}),
        Answer(200, {"id": OPERATION}),
        Answer(200, []),
        Answer(200, "<p>soon</p>"),
        Answer(200),
        Answer(200, {"status": "running"}, fault=Fault.TRUNCATE),
        Answer(200, '{"status": "running", "x": "' + "x" * 1024 * 1024 + '"}'),
    ],
    ids=lambda answer: str(answer.fault or answer.status) + str(answer.body)[:20],
)
async def test_a_guard_that_says_nothing_defers(make_harness: MakeHarness, answer: Answer) -> None:
    """An outage, or what cannot be understood: nothing posted, no attempt, nothing uncertain."""
    harness = make_harness(**timeout_for(answer))

    await submit(harness, answer)

    await harness.holds("deferred", Attempts=0, Uncertain=False)
    assert await harness.due_at(FIRST_WAIT)
    assert 0 == harness.count("cancel")


async def test_every_post_is_guarded(harness: Harness) -> None:
    """What ran at the first attempt may have ended before the second."""
    await submit(
        harness,
        Answer(200, {"status": "running"}),
        Answer(200, {"status": "completed"}),
        cancel=Answer(503),
    )

    await harness.tick_after(FIRST_WAIT)
    await harness.deliver()

    data = await harness.ends("rejected", "OperationNotRunning")
    assert (1, 1) == (data["attempts"], harness.count("cancel"))


async def test_an_uncertain_attempt_looks_at_the_guard(harness: Harness) -> None:
    """The guard's operation tells whether the first POST had worked; the list is not read."""
    await submit(
        harness,
        Answer(200, {"status": "running"}),
        Answer(200, {"status": "canceled"}),
        cancel=Answer(500),
    )

    await harness.tick_after(FIRST_WAIT)
    await harness.deliver()

    data = await harness.ends("canceled")
    assert (True, 1) == (data["uncertain"], data["attempts"])
    assert ["operation", "cancel", "operation"] == [seen.kind for seen in harness.seen()]


async def test_an_uncertain_attempt_whose_guard_runs_posts_again(harness: Harness) -> None:
    """It still runs, so the first POST cannot have worked."""
    await submit(harness, Answer(200, {"status": "running"}), cancel=Answer(502))
    harness.script(cancel=[Answer(200)], operation=[Answer(200, {"status": "running"})])

    await harness.tick_after(FIRST_WAIT)
    await harness.deliver()

    data = await harness.ends("canceled")
    assert (True, 2) == (data["uncertain"], data["attempts"])
