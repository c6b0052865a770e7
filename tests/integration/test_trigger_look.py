"""After an uncertain attempt: look at what runs, before anything is posted again."""

from email.utils import format_datetime
from typing import Any

import pytest

from local.portal.script import Answer, Fault
from tests.integration.harness import (
    FIRST_WAIT,
    LEASE,
    OPERATION,
    Harness,
    MakeHarness,
    timeout_for,
)

FORBIDDEN = {"error": {"code": "Forbidden", "message": "no such permission"}}
LIST_QUERY = {"api-version": "2017-10-31", "status": "running"}
WHOLE_QUERY = {"api-version": "2017-10-31"}


async def look(harness: Harness, listed: Answer, operation: Answer | None = None) -> None:
    """An attempt that came to 500, and the next one, which looks."""
    harness.script(cancel=[Answer(500)])
    await harness.submit()
    await harness.holds("deferred", Uncertain=True, Attempts=1)
    harness.script(cancel=[Answer(200)], submissions=[listed], operation=[operation or Answer(404)])
    await harness.tick_after(FIRST_WAIT)
    await harness.deliver()


def running(harness: Harness, began: float | None, **fields: object) -> dict[str, Any]:
    """What runs for the offer, since so many seconds after the first attempt."""
    created = {} if began is None else {"createdDateTime": harness.clock.at(began).isoformat()}
    return {"submissionState": "running", **created, **fields}


def dated(harness: Harness, body: object, ahead: float = 0) -> Answer:
    """An answer whose `Date` is so many seconds ahead of the app's clock."""
    date = format_datetime(harness.clock.at(FIRST_WAIT + ahead), usegmt=True)
    return Answer(200, body, {"Date": date})


def canceled(harness: Harness, changed: float) -> dict[str, Any]:
    """What was canceled so many seconds after the first attempt."""
    return {"submissionState": "canceled", "changedTime": harness.clock.at(changed).isoformat()}


@pytest.mark.parametrize("items", [[], [{"submissionState": "canceled"}]], ids=str)
async def test_canceled_means_that_it_had_worked(harness: Harness, items: list[object]) -> None:
    """Canceled, said to be uncertain, and nothing posted again; two lists were read."""
    await look(harness, Answer(200, items))

    data = await harness.ends("canceled")
    assert (True, 1, 200) == (data["uncertain"], data["attempts"], data["httpStatus"])
    assert 1 == harness.count("cancel")
    assert [(seen.path, dict(seen.query)) for seen in harness.seen("submissions")] == [
        (f"{harness.base}/submissions/", LIST_QUERY),
        (f"{harness.base}/submissions/", WHOLE_QUERY),
    ]


@pytest.mark.parametrize("word", ["completed", "Succeeded", "failed"])
async def test_what_ended_by_itself_was_not_cancelled(harness: Harness, word: str) -> None:
    """The latest operation of the whole list is over: there is nothing to cancel any more."""
    await look(harness, Answer(200, [{"submissionState": word}]))

    data = await harness.ends("rejected", "OperationNotRunning")
    assert (True, word) == (data["uncertain"], data["operationStatus"])
    assert 1 == harness.count("cancel")


@pytest.mark.parametrize(
    ("changed", "is_ours"), [(5, True), (-9, True), (-60, False)], ids=["since", "just", "before"]
)
async def test_an_older_cancellation_is_not_ours(
    harness: Harness, changed: float, is_ours: bool
) -> None:
    """What was canceled before the first attempt ended before it."""
    items = [canceled(harness, changed), {"submissionState": "completed"}]

    await look(harness, dated(harness, items))

    await harness.ends(*(("canceled",) if is_ours else ("rejected", "OperationNotRunning")))


@pytest.mark.parametrize(
    ("began", "ahead", "is_new"),
    [(11, 0, True), (9, 0, False), (63, 60, False), (80, 60, True), (-50, -70, True)],
)
async def test_the_api_s_clock_is_corrected(
    harness: Harness, began: float, ahead: float, is_new: bool
) -> None:
    """What runs is new by the app's clock, whatever time it is at the API."""
    await look(harness, dated(harness, [running(harness, began)], ahead))

    if is_new:
        await harness.ends("rejected", "OperationNotRunning")
    else:
        assert 2 == (await harness.ends("canceled"))["attempts"]


async def test_what_has_not_started_runs(harness: Harness) -> None:
    """The filtered list may leave it out; the whole one has it: posted again."""
    harness.script(cancel=[Answer(500)])
    await harness.submit()
    waiting = [{"submissionState": "notStarted"}]
    harness.script(cancel=[Answer(200)], submissions=[Answer(200, []), Answer(200, waiting)])

    await harness.tick_after(FIRST_WAIT)
    await harness.deliver()

    assert 2 == (await harness.ends("canceled"))["attempts"]


async def test_something_old_among_the_new_is_posted_again(harness: Harness) -> None:
    """Only when all that runs is new is there nothing of this request's."""
    items = [running(harness, 60), running(harness, -60)]

    await look(harness, dated(harness, items))

    assert 2 == (await harness.ends("canceled"))["attempts"]


@pytest.mark.parametrize("answer", [Answer(302), Answer(200, "<p>soon</p>"), Answer(503)], ids=str)
async def test_a_whole_list_that_says_nothing_defers(harness: Harness, answer: Answer) -> None:
    """Nothing posted, still uncertain."""
    harness.script(cancel=[Answer(500)])
    await harness.submit()
    harness.script(cancel=[Answer(200)], submissions=[Answer(200, []), answer])

    await harness.tick_after(FIRST_WAIT)
    await harness.deliver()

    await harness.holds("deferred", Uncertain=True, Attempts=1)
    assert 1 == harness.count("cancel")


async def test_a_whole_list_that_is_refused_posts_again(harness: Harness) -> None:
    """As the filtered one."""
    harness.script(cancel=[Answer(500)])
    await harness.submit()
    harness.script(cancel=[Answer(200)], submissions=[Answer(200, []), Answer(404)])

    await harness.tick_after(FIRST_WAIT)
    await harness.deliver()

    assert 2 == (await harness.ends("canceled"))["attempts"]


@pytest.mark.parametrize("word", ["running", " Running", "RUNNING"])
async def test_what_ran_before_is_posted_again(harness: Harness, word: str) -> None:
    """It began before the first attempt, which therefore did not work."""
    await look(harness, Answer(200, [running(harness, -60, submissionState=word)]))

    data = await harness.ends("canceled")
    assert (True, 2, 2) == (data["uncertain"], data["attempts"], harness.count("cancel"))


async def test_what_began_later_is_left_alone(harness: Harness) -> None:
    """A publish that somebody started since is not this request's to cancel."""
    await look(harness, Answer(200, [running(harness, 15, id=OPERATION)]))

    data = await harness.ends("rejected", "OperationNotRunning")
    assert (True, 1, 1) == (data["uncertain"], data["attempts"], harness.count("cancel"))
    assert 0 == harness.count("operation")


async def test_an_undated_one_is_dated_by_its_details(harness: Harness) -> None:
    """Without a date in the list, the operation's own page has it."""
    details = Answer(200, [running(harness, 15)])

    await look(harness, Answer(200, [running(harness, None, id=OPERATION)]), details)

    await harness.ends("rejected", "OperationNotRunning")
    (read,) = harness.seen("operation")
    assert read.path == f"{harness.base}/operations/{OPERATION}"


@pytest.mark.parametrize(
    "details",
    [
        Answer(200, {"status": "running", "createdDateTime": "2020-01-01T00:00:00Z"}),
        Answer(200, {"status": "running"}),
        Answer(200, {"status": "running", "createdDateTime": "yesterday"}),
        Answer(200, "<p>soon</p>"),
        Answer(404),
        Answer(403),
    ],
    ids=lambda answer: f"{answer.status} {answer.body}",
)
async def test_an_old_or_ageless_one_is_posted_again(harness: Harness, details: Answer) -> None:
    """What has no date counts as old."""
    await look(harness, Answer(200, [running(harness, None, id=OPERATION)]), details)

    assert 2 == (await harness.ends("canceled"))["attempts"]


async def test_one_without_date_and_id_counts_as_old(harness: Harness) -> None:
    """There is no page to ask: posted again."""
    await look(harness, Answer(200, [running(harness, None)]))

    assert 2 == (await harness.ends("canceled"))["attempts"]
    assert 0 == harness.count("operation")


@pytest.mark.parametrize("status", [403, 404])
async def test_a_refused_look_posts_again(harness: Harness, status: int) -> None:
    """The list may be gone for good; that must not keep requests waiting."""
    await look(harness, Answer(status, FORBIDDEN))

    data = await harness.ends("canceled")
    assert (True, 2) == (data["uncertain"], data["attempts"])


@pytest.mark.parametrize("where", ["list", "details"])
@pytest.mark.parametrize(
    "answer",
    [
        *(Answer(status) for status in (401, 429, 503)),
        Answer(fault=Fault.RESET_AFTER),
        Answer(fault=Fault.HANG),
    ],
    ids=lambda answer: str(answer.fault or answer.status),
)
async def test_a_look_without_an_answer_defers(
    make_harness: MakeHarness, answer: Answer, where: str
) -> None:
    """An outage while looking: nothing posted, still uncertain, tried again later."""
    harness = make_harness(**timeout_for(answer))
    if where == "list":
        await look(harness, answer)
    else:
        await look(harness, Answer(200, [running(harness, None, id=OPERATION)]), answer)

    await harness.holds("deferred", Uncertain=True, Attempts=1)
    assert 1 == harness.count("cancel")


async def test_later_certain_attempts_stay_uncertain(harness: Harness) -> None:
    """Every outcome that follows an uncertain attempt says so."""
    harness.script(cancel=[Answer(504), Answer(403, FORBIDDEN)], submissions=[Answer(404)])
    await harness.submit()

    await harness.tick_after(FIRST_WAIT)
    await harness.deliver()

    data = await harness.ends("rejected", "Forbidden")
    assert (True, 2) == (data["uncertain"], data["attempts"])


async def test_a_certain_outage_needs_no_look(harness: Harness) -> None:
    """A 401 was not acted on: posted again without looking."""
    harness.script(cancel=[Answer(401), Answer(401), Answer(200)])
    await harness.submit()

    await harness.tick_after(FIRST_WAIT)
    await harness.deliver()

    await harness.ends("canceled")
    assert ["cancel"] * 3 == [seen.kind for seen in harness.seen()]


async def test_a_dead_claimer_s_attempt_is_uncertain(harness: Harness) -> None:
    """Its POST may have arrived: whoever takes over looks first."""
    await harness.die_posting()
    await harness.holds("submitting", Attempts=0)
    harness.script(cancel=[Answer(200)], submissions=[Answer(200, [])])

    await harness.tick_after(LEASE + 10)
    await harness.deliver()

    data = await harness.ends("canceled")
    assert (True, 1, 1) == (data["uncertain"], data["attempts"], harness.count("cancel"))


async def test_what_began_between_two_attempts_is_not_old(harness: Harness) -> None:
    """It is the first attempt that counts, however many followed."""
    harness.script(cancel=[Answer(500)], submissions=[Answer(200, [running(harness, -60)])])
    await harness.submit()
    for _ in range(2):
        record = await harness.holds("deferred", Uncertain=True)
        await harness.tick_after((record["NextTryAt"] - harness.clock()).total_seconds())
        await harness.deliver()
    harness.script(cancel=[Answer(200)], submissions=[Answer(200, [running(harness, 15)])])

    record = await harness.holds("deferred", Attempts=3)
    await harness.tick_after((record["NextTryAt"] - harness.clock()).total_seconds())
    await harness.deliver()

    data = await harness.ends("rejected", "OperationNotRunning")
    assert (True, 3) == (data["uncertain"], data["attempts"])
