"""The event: what a consumer of the outcome queue may rely on."""

from datetime import datetime

import pytest
from azure.functions.queue import QueueMessage

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
        "id": harness.event_id("canceled"),
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
    """One CloudEvents type a status; the id comes from request, time, run and status."""
    harness.script(cancel=[answer])

    await harness.submit()

    (event,) = await harness.outcomes()
    assert f"OfferCancellation.{kind}" == event["type"]
    assert event["id"] == harness.event_id(kind.lower())
    assert "/offer-cancellation/local" == event["source"]


async def test_a_second_app_repeats_an_event_under_the_first_one_s_name(
    make_harness: MakeHarness,
) -> None:
    """The source is kept in the record, so that a consumer can tell the repeat."""
    first = make_harness(WEBSITE_SITE_NAME="first")
    second = make_harness(like=first, WEBSITE_SITE_NAME="second")
    first.script(cancel=[Answer(200)])
    await first.submit()
    await first.send()

    await second.deliver()

    events = await second.outcomes()
    assert {"/offer-cancellation/first"} == {event["source"] for event in events}
    assert 2 == len(events)
    assert 1 == len({event["id"] for event in events})


async def test_a_request_of_the_future_was_made_now(harness: Harness) -> None:
    """Clocks differ: neither its age nor its deadline may come from a time that is not yet."""
    harness.script(cancel=[Answer(200)])
    text = f'{{"publisherId": "contoso", "offerId": "{harness.offer}", "requestId": "r-1"}}'
    message = QueueMessage(  # type: ignore[no-untyped-call]
        id="m-1", body=text, insertion_time=harness.clock.at(60)
    )

    await harness.handle(message)

    record = await harness.record()
    data = await harness.outcome()
    assert record["RequestedAt"] == harness.clock.start
    assert record["Deadline"] == harness.clock.at(24 * 3600)
    assert (data["requestedAt"], data["durationSeconds"]) == (rfc3339(harness.clock.start), 0)


async def test_a_duration_is_never_negative(harness: Harness) -> None:
    """Even where the clock is set back while the POST is under way."""
    harness.script(cancel=[Answer(200, delay_seconds=0.2)])
    await harness.send()

    async with harness.delivering():
        await harness.until(lambda: harness.count("cancel") == 1)
        harness.clock.advance(-20)

    data = await harness.ends("canceled")
    assert data["finishedAt"] < data["requestedAt"]
    assert 0 == data["durationSeconds"]


async def test_another_run_is_another_event(harness: Harness) -> None:
    """An operator who retries a request counts its Run up: its event gets another id."""
    harness.accept(Answer(200, {"status": "completed"}))
    await harness.submit()
    await harness.edit(Run=2)

    await harness.tick_after(FIRST_WAIT)

    (event,) = await harness.outcomes()
    assert event["id"] == harness.event_id("canceled", run=2)


async def test_outcomes_and_originals_never_expire(harness: Harness) -> None:
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
