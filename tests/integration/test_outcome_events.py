"""The event: what a consumer of the outcome queue may rely on."""

from datetime import datetime

import pytest

from local.portal.script import Answer
from offer_cancellation.clock import rfc3339
from tests.integration.harness import FIRST_WAIT, OPERATION, Harness, MakeHarness

TRACE = f"00-{'a' * 32}-{'b' * 16}-01"


async def test_the_whole_event_of_a_polled_request(make_harness: MakeHarness) -> None:
    """Every field of the contract's example, built from the record."""
    harness = make_harness(WEBSITE_SITE_NAME="contoso-cancels")
    harness.script(
        cancel=[Answer(500), Answer(202, headers={"Location": harness.location})],
        operation=[
            Answer(200, {"status": "running"}),
            Answer(200, {"status": "not started"}),
            Answer(200, {"status": "Running"}),
            Answer(200, [{"status": "Canceled"}]),
        ],
    )
    await harness.submit(operationId=OPERATION, correlationId="c-1", traceparent=TRACE)
    await harness.tick_after(FIRST_WAIT)
    await harness.deliver()
    await harness.tick_after(FIRST_WAIT)
    await harness.tick_after(45)

    (event,) = await harness.outcomes()
    assert datetime.fromisoformat(event.pop("time")) == harness.clock()
    assert event == {
        "specversion": "1.0",
        "type": "OfferCancellation.Canceled",
        "source": "/offer-cancellation/contoso-cancels",
        "subject": f"publishers/contoso/offers/{harness.offer}",
        "id": "r-1:1:canceled",
        "datacontenttype": "application/json",
        "data": {
            "requestId": "r-1",
            "publisherId": "contoso",
            "offerId": harness.offer,
            "status": "canceled",
            "httpStatus": 202,
            "operationStatus": "Canceled",
            "operationId": OPERATION,
            "location": harness.location,
            "attempts": 2,
            "polls": 2,
            "uncertain": True,
            "requestedAt": rfc3339(harness.clock.start),
            "acceptedAt": rfc3339(harness.clock.at(FIRST_WAIT)),
            "finishedAt": rfc3339(harness.clock()),
            "durationSeconds": 90.0,
            "correlationId": "c-1",
            "traceparent": TRACE,
        },
    }


async def test_fields_without_a_value_are_left_out(harness: Harness) -> None:
    """A plain 200 has no location, no error, no operation."""
    harness.script(cancel=[Answer(200)])

    await harness.submit()

    assert {
        "requestId", "publisherId", "offerId", "status", "httpStatus", "attempts", "polls",
        "requestedAt", "finishedAt", "durationSeconds",
    } == set(await harness.outcome())  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(Answer(200), "Canceled"), (Answer(404), "Rejected"),
     (Answer(202, headers={"Location": "/x"}), "Failed")],
)  # fmt: skip
async def test_the_type_tells_the_status(harness: Harness, answer: Answer, kind: str) -> None:
    """One CloudEvents type a status; the id comes from request, run and status."""
    harness.script(cancel=[answer])

    await harness.submit()

    (event,) = await harness.outcomes()
    assert f"OfferCancellation.{kind}" == event["type"]
    assert event["id"] == f"r-1:1:{kind.lower()}"
    assert "/offer-cancellation/local" == event["source"]


async def test_another_run_is_another_event(harness: Harness) -> None:
    """An operator who retries a request counts its Run up: its event gets another id."""
    harness.accept(Answer(200, {"status": "completed"}))
    await harness.submit()
    await harness.edit(Run=2)

    await harness.tick_after(FIRST_WAIT)

    (event,) = await harness.outcomes()
    assert "r-1:2:canceled" == event["id"]


async def test_outcomes_and_poison_never_expire(harness: Harness) -> None:
    """Their time-to-live is -1; the queues' own default is a week."""
    await harness.submit(offerId="a/b")
    harness.script(cancel=[Answer(200)])
    await harness.submit()

    assert {9999} == await harness.lifetimes()
    assert 2 == len(await harness.outcomes())
    assert 1 == len(await harness.rejected())


@pytest.mark.parametrize("text", ["x" * 200_000, '\u0001ž€😀\\"' * 20_000])
async def test_a_long_error_is_cut(harness: Harness, text: str) -> None:
    """The event stays under 48 KiB, whatever the API says; what was cut ends in an ellipsis."""
    error = {"error": {"code": text[:1000], "message": text}}
    harness.script(cancel=[Answer(400, error)])

    await harness.submit()

    data = await harness.outcome()
    assert data["error"]["message"].endswith("…")
    assert data["error"]["code"].endswith("…")
    assert max(await harness.sizes()) < 48 * 1024


async def test_a_record_can_be_read_by_people(harness: Harness) -> None:
    """The columns of the contract, in PascalCase, with times that the table knows as such."""
    harness.accept(Answer(200, {"status": "running"}))
    await harness.submit(notificationEmails="a@contoso.com", correlationId="c-1")
    await harness.tick_after(FIRST_WAIT)

    record = await harness.holds("accepted")
    assert {
        "Version": 1, "RequestId": "r-1", "Run": 1, "PublisherId": "contoso",
        "OfferId": harness.offer, "HttpStatus": 202, "Location": harness.location,
        "OperationStatus": "running", "Attempts": 1, "Polls": 1, "Uncertain": False,
        "RequestedAt": harness.clock.start, "AcceptedAt": harness.clock.start,
        "NextTryAt": harness.clock.at(FIRST_WAIT + 45), "Deadline": harness.clock.at(24 * 3600),
        "CorrelationId": "c-1", "NotificationEmails": "a@contoso.com",
    }.items() <= record.items()  # fmt: skip
    assert "ErrorCode" not in record
