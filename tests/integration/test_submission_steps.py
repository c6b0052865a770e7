"""A submission's way through look, DELETE and polls, and what each answer leads to."""

import json
from typing import Any

import pytest

from local.portal.script import Answer
from local.portal.submission_script import (
    CANCELLED,
    DELETED,
    DRAFT,
    ERRORS,
    GONE,
    PUBLISHED,
    SUBMISSION,
    SUBMITTED,
    state,
)
from tests.integration.harness import FIRST_WAIT, PUBLISHER, REQUEST_ID, Harness, MakeHarness

FORBIDDEN = Answer(403, {"code": "Forbidden", "message": "no such permission"})
GRACE = 600


async def _until_due(harness: Harness) -> None:
    """Ticks and delivers at the time for which the request waits."""
    record = await harness.record()
    await harness.tick_after((record["NextTryAt"] - harness.clock()).total_seconds())
    await harness.deliver()


def _kinds(harness: Harness) -> list[str]:
    return [call.kind for call in harness.submission_calls()]


@pytest.mark.parametrize("after", [CANCELLED, DRAFT, GONE], ids=["cancelled", "draft", "gone"])
async def test_canceled(harness: Harness, after: Answer) -> None:
    """204 is not believed: the request is accepted, and a read ends it."""
    harness.script_submission(read=[SUBMITTED], after=[after])

    await harness.submit_submission()

    await harness.holds("accepted", HttpStatus=204, Attempts=1, Polls=0)
    await harness.tick_after(FIRST_WAIT)
    data = await harness.ends("canceled")
    assert (data["attempts"], data["polls"], "uncertain" in data) == (1, 1, False)
    assert ("publisherId" in data, data["productId"]) == (False, harness.product)
    assert data["submissionId"] == SUBMISSION
    assert _kinds(harness)[:3] == ["read", "delete", "read"]


async def test_the_event_s_subject_and_the_api_s_id(harness: Harness) -> None:
    """The subject is the submission; `apiRequestId` is the last answer's, in record and event."""
    harness.script_submission(read=[SUBMITTED], after=[CANCELLED])
    await harness.submit_submission()
    await harness.holds("accepted", ApiRequestId=harness.submission_calls()[-1].request_id)

    await harness.tick_after(FIRST_WAIT)

    (event,) = await harness.outcomes()
    assert event["subject"] == f"products/{harness.product}/submissions/{SUBMISSION}"
    last = harness.submission_calls()[-1].request_id
    assert event["data"]["apiRequestId"] == last == (await harness.record())["ApiRequestId"]


async def test_the_api_s_id_in_the_first_generation(harness: Harness) -> None:
    """It is kept for an offer, too."""
    answers = [Answer(503, headers={"request-id": "a"}), Answer(200, headers={"request-id": "b"})]
    harness.script(cancel=answers)
    await harness.submit()
    await harness.holds("deferred", ApiRequestId="a")

    await harness.tick_after(FIRST_WAIT)
    await harness.deliver()

    assert (await harness.ends("canceled"))["apiRequestId"] == "b"


async def test_the_record_knows_first(harness: Harness) -> None:
    """That the submission was seen `Submitted` is written before the DELETE goes out."""
    harness.script_submission(read=[SUBMITTED], delete=[Answer(204, delay_seconds=0.5)])
    await harness.send_submission()

    async with harness.delivering():
        await harness.until(lambda: harness.deletes() == 1)
        record = await harness.record()

    assert (record["Status"], record["SubmittedSeenAt"]) == ("submitting", harness.clock())


@pytest.mark.parametrize(
    ("read", "raw"),
    [
        (state("InProgress", "InDraft"), "InProgress/InDraft"),
        (state("InProgress", "Publishing"), "InProgress/Publishing"),
        (state("Published", "ReadyToPublish"), "Published/ReadyToPublish"),
        (state("Published", "InStore"), "Published/InStore"),
        (state("InProgress", "FailedInCertification"), "InProgress/FailedInCertification"),
        (state("RolledBack"), "RolledBack"),
        (state("Submitted", "InProgress"), "Submitted/InProgress"),
        (state("InProgress"), "InProgress"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_cannot_be_cancelled_is_left_alone(
    harness: Harness, read: Answer, raw: str
) -> None:
    """Rejected with its raw states; above all a draft is never deleted."""
    harness.script_submission(read=[read])

    await harness.submit_submission()

    data = await harness.ends("rejected", "OperationNotRunning")
    assert (data["operationStatus"], raw in data["error"]["message"]) == (raw, True)
    assert (data["attempts"], _kinds(harness)) == (0, ["read"])


@pytest.mark.parametrize("product", [Answer(200, {}), Answer(404), Answer(403)], ids=str)
async def test_a_submission_that_is_not_there(harness: Harness, product: Answer) -> None:
    """Never seen, it did not run."""
    harness.script_submission(product=[product])

    await harness.submit_submission()

    await harness.ends("rejected", "OperationNotRunning")
    assert _kinds(harness) == ["read", "product"]


async def test_cancelled_by_another(harness: Harness) -> None:
    """What is cancelled already is canceled, without a DELETE."""
    harness.script_submission(read=[state("Cancelled")])

    await harness.submit_submission()

    assert (await harness.ends("canceled"))["attempts"] == 0


@pytest.mark.parametrize("words", [("in_progress", "submitted"), ("In Progress", "SUB-MITTED")])
async def test_states_in_any_spelling(harness: Harness, words: tuple[str, str]) -> None:
    """Without letter case, spaces, `_` and `-`."""
    harness.script_submission(read=[state(*words)])

    await harness.submit_submission()

    assert harness.deletes() == 1


@pytest.mark.parametrize("status", [200, 201, 202, 204, 206])
async def test_any_2xx_is_accepted(harness: Harness, status: int) -> None:
    """Whatever its body says, and wherever it points to: a read decides."""
    answer = Answer(status, headers={"Location": "https://elsewhere.example/api/x"})
    harness.script_submission(read=[SUBMITTED], delete=[answer])

    await harness.submit_submission()

    await harness.holds("accepted", HttpStatus=status, Location=None)


@pytest.mark.parametrize("status", [400, 403, 404, 405, 409])
async def test_a_refused_delete_looks_once_more(harness: Harness, status: int) -> None:
    """Still submitted: rejected, with the error of the DELETE."""
    refusal = Answer(status, {"code": "NotNow", "message": "it cannot"})
    harness.script_submission(read=[SUBMITTED], delete=[refusal])

    await harness.submit_submission()

    data = await harness.ends("rejected", "NotNow")
    assert (data["httpStatus"], data["attempts"]) == (status, 1)
    assert data["apiRequestId"] == harness.submission_calls()[-1].request_id
    assert _kinds(harness) == ["read", "delete", "read"]


@pytest.mark.parametrize(
    ("read", "status", "code"),
    [
        (CANCELLED, "canceled", None),
        (DRAFT, "canceled", None),
        (GONE, "canceled", None),
        (PUBLISHED, "rejected", "OperationNotRunning"),
    ],
)
async def test_what_that_look_finds(
    harness: Harness, read: Answer, status: str, code: str | None
) -> None:
    """It ended meanwhile: that is the end, the refusal is forgotten."""
    harness.script_submission(read=[SUBMITTED, read], delete=[Answer(409)])

    await harness.submit_submission()

    await harness.ends(status, code)
    assert harness.submission_calls("delete")[0].answered == 409


async def test_a_refusal_without_time_to_look(harness: Harness) -> None:
    """Deferred; the next look is that look, however often the API is away before it."""
    refusal = Answer(409, {"code": "NotNow", "message": "it cannot"}, delay_seconds=0.3)
    harness.script_submission(
        read=[SUBMITTED, Answer(503), Answer(429, headers={"Retry-After": "5"}), SUBMITTED],
        delete=[refusal],
    )
    await harness.send_submission()
    async with harness.delivering():
        await harness.until(
            lambda: harness.around.submissions.count("delete", harness.product) == 1
        )
        harness.clock.advance(216)
    await harness.holds("deferred", Attempts=1, Uncertain=False, LastStatus=409, HttpStatus=409)

    for _ in range(3):
        await _until_due(harness)

    data = await harness.ends("rejected", "NotNow")
    assert (data["httpStatus"], data["attempts"]) == (409, 1)
    assert _kinds(harness) == ["read", "delete", "read", "read", "read"]


async def test_a_look_after_a_refusal_that_fails(harness: Harness) -> None:
    """Away just then: the next look decides, and nothing is deleted again."""
    harness.script_submission(
        read=[SUBMITTED, Answer(503), DRAFT], delete=[Answer(409, ERRORS["object"])]
    )
    await harness.submit_submission()
    await harness.holds("deferred", LastStatus=409, LastCode="ICH50400")

    await _until_due(harness)

    assert (await harness.ends("canceled"))["attempts"] == 1


async def test_a_refusal_after_an_uncertain_attempt(harness: Harness) -> None:
    """The first DELETE may be at work: it counts only once it was so for a while."""
    refusal = Answer(409, {"code": "NotNow", "message": "it cannot"})
    harness.script_submission(read=[SUBMITTED], delete=[Answer(500), refusal])
    await harness.submit_submission()
    await _until_due(harness)
    record = await harness.holds("deferred", Uncertain=True, Attempts=2, HttpStatus=409)
    since = record["RefusedSince"]

    while (await harness.record())["Status"] == "deferred":
        assert (harness.clock() - since).total_seconds() < GRACE
        await _until_due(harness)

    data = await harness.ends("rejected", "NotNow")
    assert (data["uncertain"], (harness.clock() - since).total_seconds() >= GRACE) == (True, True)


async def test_a_refusal_after_an_uncertain_attempt_that_worked(harness: Harness) -> None:
    """Within that time a look finds it cancelled."""
    harness.script_submission(
        read=[SUBMITTED, SUBMITTED, SUBMITTED, CANCELLED], delete=[Answer(500), Answer(409)]
    )
    await harness.submit_submission()
    for _ in range(2):
        await _until_due(harness)

    data = await harness.ends("canceled")
    assert (data["uncertain"], data["attempts"]) == (True, 2)


@pytest.mark.parametrize("status", [302, 307, 406, 410, 422])
async def test_any_other_refusal_ends_it(harness: Harness, status: int) -> None:
    """Without another look; a redirect goes nowhere."""
    harness.script_submission(
        read=[SUBMITTED], delete=[Answer(status, headers={"Location": "/v1.0/ingestion/x"})]
    )

    await harness.submit_submission()

    await harness.ends("rejected", f"Http{status}")
    assert _kinds(harness) == ["read", "delete"]


@pytest.mark.parametrize("shape", ERRORS)
async def test_errors_of_every_shape(harness: Harness, shape: str) -> None:
    """Code and message reach the event."""
    harness.script_submission(read=[SUBMITTED], delete=[Answer(400, ERRORS[shape])])

    await harness.submit_submission()

    data = await harness.ends("rejected", "ICH50400")
    assert len(data["error"]["message"]) > len("ICH50400")


async def test_live_before_it_could_be_stopped(harness: Harness) -> None:
    """The cancellation was too late: failed."""
    harness.script_submission(read=[SUBMITTED], after=[SUBMITTED, PUBLISHED])
    await harness.submit_submission()
    await harness.tick_after(FIRST_WAIT)
    await harness.holds("accepted", OperationStatus="InProgress/Submitted", Polls=1)

    await harness.tick_after(60)

    data = await harness.ends("failed", "OperationFailed")
    assert data["operationStatus"] == "Published/InStore"


@pytest.mark.parametrize("answer", [Answer(400), Answer(403), Answer(410)], ids=str)
async def test_a_refused_poll(harness: Harness, answer: Answer) -> None:
    """Only once it was the only answer for a while."""
    harness.script_submission(read=[SUBMITTED], after=[answer])
    await harness.submit_submission()
    await harness.tick_after(FIRST_WAIT)
    await harness.holds("accepted", Polls=1)

    await harness.tick_after(GRACE)

    await harness.ends("failed", f"Http{answer.status}")


async def test_a_product_that_is_gone_too(harness: Harness) -> None:
    """404 for both says nothing of the submission: a refused poll."""
    harness.script_submission(read=[SUBMITTED], after=[GONE], product=[Answer(404)])
    await harness.submit_submission()
    await harness.tick_after(FIRST_WAIT)
    await harness.holds("accepted", Polls=1)

    await harness.tick_after(GRACE)

    await harness.ends("failed", "Http404")


async def test_never_done(harness: Harness) -> None:
    """At the deadline it expires."""
    harness.script_submission(read=[SUBMITTED])
    await harness.submit_submission()

    await harness.tick_after(24 * 3600)

    data = await harness.ends("expired", "DeadlinePassed")
    assert data["operationStatus"] == "InProgress/Submitted"


@pytest.mark.parametrize("publisher_id", [None, "7", "8"])
async def test_a_publisher_is_demanded(make_harness: MakeHarness, publisher_id: str | None) -> None:
    """The setting is sent on every call; without it such an API refuses them."""
    settings = {"SUBMISSION_API_PUBLISHER_ID": publisher_id} if publisher_id else {}
    harness = make_harness(**settings)
    harness.script_submission(read=[SUBMITTED], after=[GONE])
    harness.around.submissions.publisher_id = 7
    try:
        await harness.submit_submission()
        await harness.tick_after(FIRST_WAIT)
    finally:
        harness.around.submissions.publisher_id = None

    if publisher_id == "7":
        await harness.ends("canceled")
        assert _kinds(harness) == ["read", "delete", "read", "product"]
    else:
        data = await harness.ends("rejected", "ICH50400")
        assert "x-ms-publisherId" in data["error"]["message"]


# The setting that switches it on.


async def test_switched_off(make_harness: MakeHarness) -> None:
    """A new request is invalid, whether it brings an id or not; the message names the setting."""
    harness = make_harness(SUBMISSION_API="off")
    texts = [
        json.dumps(harness.submission),
        json.dumps({"productId": harness.product, "submissionId": SUBMISSION}),
    ]
    for text in texts:
        await harness.send(text)
        await harness.deliver()

    errors = [event["data"]["error"] for event in await harness.outcomes()]
    assert [error["code"] for error in errors] == ["InvalidRequest"] * 2
    assert all("SUBMISSION_API" in error["message"] for error in errors)
    assert sorted(await harness.rejected()) == sorted(texts)
    assert (await harness.rows(), await harness.waiting(), _kinds(harness)) == ([], [], [])


async def test_switched_off_later(make_harness: MakeHarness) -> None:
    """A request that has a record is finished, in the trigger and in the timer."""
    harness = make_harness()
    harness.script_submission(read=[Answer(503), SUBMITTED], after=[CANCELLED])
    await harness.submit_submission()
    off = make_harness(like=harness, SUBMISSION_API="off")

    await off.tick_after(FIRST_WAIT)
    await off.deliver()
    await off.holds("accepted")
    await off.tick_after(FIRST_WAIT)

    await off.ends("canceled")


@pytest.mark.parametrize("has_record", [True, False])
async def test_switched_off_in_adoption(make_harness: MakeHarness, has_record: bool) -> None:
    """What the host gave up: a new one is invalid, one that has a record is the ledger's."""
    harness = make_harness()
    harness.script_submission(read=[Answer(503)])
    if has_record:
        await harness.submit_submission()
    off = make_harness(like=harness, SUBMISSION_API="off")
    await off.give_up(json.dumps(harness.submission))

    await off.tick()

    if has_record:
        await off.holds("deferred")
        assert await off.rejected() == []
    else:
        data = await off.outcome()
        assert (data["status"], data["error"]["code"]) == ("rejected", "InvalidRequest")
        assert await off.rejected() == [json.dumps(harness.submission)]


async def test_adopted(harness: Harness) -> None:
    """Switched on, what the host gave up is taken into the ledger, and goes on."""
    harness.script_submission(read=[SUBMITTED], after=[DRAFT])
    await harness.give_up(json.dumps(harness.submission))

    await harness.tick()
    await harness.tick_after(1)
    await harness.deliver()
    await harness.tick_after(FIRST_WAIT)

    await harness.ends("canceled")


# Invalid, doubled and reused.


@pytest.mark.parametrize(
    "fields",
    [
        {"publisherId": PUBLISHER},
        {"operationId": "56615b67-2185-49fe-80d2-c4ddf77bb2e8"},
        {"notificationEmails": "jane@contoso.com"},
        {"submissionId": int(SUBMISSION)},
        {"submissionId": None},
    ],
    ids=lambda fields: next(iter(fields)),
)
async def test_invalid(harness: Harness, fields: dict[str, Any]) -> None:
    """A mixture, a guard, addresses, a number, a null: named, kept, and nothing is called."""
    await harness.submit_submission(**fields)

    data = await harness.outcome()
    assert (data["status"], data["error"]["code"]) == ("rejected", "InvalidRequest")
    assert next(iter(fields)) in data["error"]["message"]
    assert (len(await harness.rejected()), _kinds(harness), harness.seen()) == (1, [], [])


@pytest.mark.parametrize("fields", [{"productId": "product-other"}, {"submissionId": "7"}, {}])
async def test_reused(harness: Harness, fields: dict[str, str]) -> None:
    """The same id for another product or submission, or for an offer, is invalid."""
    harness.script_submission(read=[SUBMITTED])
    await harness.submit_submission()
    before = await harness.record()

    if fields:
        await harness.submit_submission(**fields)
    else:
        await harness.submit()

    data = await harness.outcome()
    assert (data["status"], data["error"]["code"]) == ("rejected", "RequestIdReused")
    assert await harness.record() == before


async def test_a_message_without_an_id(harness: Harness) -> None:
    """It is put on the queue anew with both fields, and then claimed."""
    harness.script_submission(read=[SUBMITTED], after=[CANCELLED])
    message_id = await harness.send(
        json.dumps({"productId": harness.product, "submissionId": SUBMISSION})
    )
    await harness.deliver()
    (text,) = await harness.waiting()
    assert json.loads(text).items() >= {
        "productId": harness.product, "submissionId": SUBMISSION, "requestId": f"msg-{message_id}"
    }.items()  # fmt: skip

    await harness.deliver()

    assert (await harness.record(f"msg-{message_id}"))["Status"] == "accepted"


async def test_an_edited_row_is_never_acted_on(harness: Harness) -> None:
    """Without its submission a record is unreadable: above all no product is deleted."""
    harness.script_submission(read=[Answer(503)])
    await harness.submit_submission()
    await harness.edit(SubmissionId=None)
    before = _kinds(harness)

    await harness.tick_after(FIRST_WAIT)
    await harness.submit_submission()

    assert (_kinds(harness), await harness.outcomes()) == (before, [])
    assert (await harness.record())["RequestId"] == REQUEST_ID


async def test_no_time_left_after_the_look(harness: Harness) -> None:
    """With too little of the lease left after the look, nothing is deleted."""
    read = Answer(SUBMITTED.status, SUBMITTED.body, delay_seconds=0.3)
    harness.script_submission(read=[read], delete=[DELETED])
    await harness.send_submission()
    async with harness.delivering():
        await harness.until(lambda: bool(harness.submission_calls("read")))
        harness.clock.advance(216)

    await harness.holds("deferred", Attempts=0, Uncertain=False)
    assert harness.submission_calls("delete") == []
