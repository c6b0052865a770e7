"""Messages that are not valid requests, requests that come too late, every form of a good one."""

import base64
import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.functions.queue import QueueMessage

from local.portal.script import Answer
from tests.integration.harness import OPERATION, REQUEST_ID, Harness, MakeHarness

GOOD = {"publisherId": "contoso", "offerId": "an-offer"}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("not JSON", ["message"]),
        ("{", ["message"]),
        ("[]", ["message"]),
        (base64.b64encode(b"\xff\xfe").decode(), ["message"]),
        (json.dumps({"offerId": "a..b"}), ["publisherId", "offerId"]),
        (json.dumps({**GOOD, "operatonId": OPERATION}), ["operatonId"]),
        (json.dumps({**GOOD, "operationId": None}), ["operationId"]),
        ('{"publisherId": "a", "publisherId": "b", "offerId": "c"}', ["publisherId"]),
        (json.dumps({**GOOD, "expiresAt": "tomorrow", "requestId": ""}),
         ["expiresAt", "requestId"]),
        (json.dumps([{"eventType": "x", "data": GOOD}]), ["message"]),
        ("  {\n\t'žluťoučký' }  ", ["message"]),
    ],
)  # fmt: skip
async def test_an_invalid_message_is_reported_and_kept(
    harness: Harness, text: str, named: list[str]
) -> None:
    """One rejected event that names every fault, the text in the rejected queue, no record."""
    await harness.send(text)

    assert 1 == await harness.deliver()

    (event,) = await harness.outcomes()
    error = event["data"]["error"]
    assert ("rejected", "InvalidRequest") == (event["data"]["status"], error["code"])
    assert [] == [name for name in named if name not in error["message"]]
    assert "OfferCancellation.Rejected" == event["type"]
    assert event["id"] == f"message:{hashlib.sha256(text.encode()).hexdigest()}:rejected"
    assert [text] == await harness.rejected()
    assert [] == await harness.rows()
    assert [] == await harness.waiting()
    assert [] == harness.seen()


async def test_the_event_of_an_invalid_message_names_what_is_good(harness: Harness) -> None:
    """Ids, correlation and trace that are right are in the event all the same."""
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    fields = {"correlationId": "c-1", "traceparent": trace, "requestId": "mine"}

    await harness.submit(**fields, notificationEmails="nobody")

    (event,) = await harness.outcomes()
    assert event["subject"] == f"publishers/contoso/offers/{harness.offer}"
    expected = {**fields, "publisherId": "contoso", "offerId": harness.offer}
    assert expected == {name: event["data"][name] for name in expected}


@pytest.mark.parametrize(
    "text",
    [
        '{"publisherId": "a\\r\\nb"}\r\n',
        "\r",
        "<![CDATA[x]]>&amp;<a/>",
        " {'žluťoučký'}\t\n",
        base64.b64encode(b"{}\r\n").decode(),
    ],
)
async def test_the_original_gives_back_what_was_delivered(harness: Harness, text: str) -> None:
    """A text that XML would change is kept in base64, any other one as it is."""
    await harness.handle(QueueMessage(id="m-1", body=text))  # type: ignore[no-untyped-call]

    as_base64 = base64.b64encode(text.encode()).decode()
    assert [as_base64 if "\r" in text else text] == await harness.rejected()


async def test_what_the_text_itself_names_is_not_believed(harness: Harness) -> None:
    """A request that names an insertion time was inserted now, and keeps its whole deadline."""
    harness.script(cancel=[Answer(503)])
    request = {"publisherId": "contoso", "offerId": harness.offer, "requestId": REQUEST_ID}
    event = {**cloud_event(request), "insertiontime": "01/31/2020 12:00:00-00:00"}
    delivered = QueueMessage(  # type: ignore[no-untyped-call]
        id="m-1", body=json.dumps(event), insertion_time=datetime(2020, 1, 31, 12, tzinfo=UTC)
    )

    await harness.handle(delivered)

    await harness.holds(
        "deferred", RequestedAt=harness.clock(), Deadline=harness.clock.at(24 * 3600)
    )


async def test_a_secret_in_an_invalid_message_goes_nowhere(harness: Harness) -> None:
    """An identifier that looks like a secret is refused; the event holds nothing of it."""
    secret = "sv=2030&sig=aaaabbbbcccc"

    await harness.submit(requestId=secret, correlationId=secret, bearer=secret)

    (event,) = await harness.outcomes()
    assert "rejected" == event["data"]["status"]
    assert "aaaabbbbcccc" not in json.dumps(event)


async def test_no_subject_without_valid_names(harness: Harness) -> None:
    """An event about an invalid offer has no subject, and no offer."""
    await harness.submit(offerId="a/b")

    (event,) = await harness.outcomes()
    assert "subject" not in event
    assert "offerId" not in event["data"]


async def test_an_invalid_message_delivered_twice_is_one_event(harness: Harness) -> None:
    """Repeats carry the same source and id."""
    await harness.send("{}")
    async for message in harness.requests.receive_messages():
        for _ in range(2):
            await harness.handle(harness.trigger_input(message))
            harness.clock.advance(5)

    first, second = await harness.outcomes()
    assert (first["source"], first["id"]) == (second["source"], second["id"])


def encoded(value: object) -> str:
    """JSON in base64, as many producers' SDKs send it."""
    return base64.b64encode(json.dumps(value).encode()).decode()


def cloud_event(data: object) -> dict[str, Any]:
    """A CloudEvents envelope."""
    return {"specversion": "1.0", "type": "t", "source": "/s", "id": "1", "data": data}


@pytest.mark.parametrize("form", ["plain", "base64", "event", "event in base64", "array"])
async def test_every_form_of_a_message_is_read(harness: Harness, form: str) -> None:
    """Plain or base64, bare or in a CloudEvent: the request id tells where it came from."""
    harness.script(cancel=[Answer(200)])
    request = {"publisherId": "contoso", "offerId": harness.offer}
    texts = {
        "plain": json.dumps(request),
        "base64": encoded(request),
        "event": json.dumps(cloud_event(request)),
        "event in base64": encoded(cloud_event(request)),
        "array": json.dumps([cloud_event(request)]),
    }

    message_id = await harness.send(texts[form])
    await harness.deliver()
    await harness.deliver()  # one without an id comes back with it

    is_bare = form in ("plain", "base64")
    from_event = f"ce-{hashlib.sha256(b'/s' + bytes(1) + b'1').hexdigest()}"
    data = await harness.outcome()
    assert "canceled" == data["status"]
    assert data["requestId"] == (f"msg-{message_id}" if is_bare else from_event)


async def test_what_expired_already_is_not_posted(harness: Harness) -> None:
    """`expiresAt` in the past: expired, with a record and an event, nothing posted."""
    harness.script(cancel=[Answer(200)])

    await harness.submit(expiresAt=harness.clock.at(0).isoformat())

    data = await harness.ends("expired", "DeadlinePassed")
    assert (0, []) == (data["attempts"], harness.seen())


async def test_the_deadline_counts_from_the_insertion(make_harness: MakeHarness) -> None:
    """A message that lay on the queue for too long is not posted any more."""
    harness = make_harness(CANCEL_DEADLINE_HOURS="1")
    harness.script(cancel=[Answer(200)])
    await harness.send()
    harness.clock.advance(3600)

    await harness.deliver()

    data = await harness.ends("expired", "DeadlinePassed")
    assert (0, 3600, []) == (data["attempts"], data["durationSeconds"], harness.seen())


@pytest.mark.parametrize(("own", "hours"), [(None, 24), (48, 24), (2, 2)])
async def test_a_deadline_of_its_own_is_never_later(
    harness: Harness, own: int | None, hours: int
) -> None:
    """The default is 24 hours after the insertion; `expiresAt` can only shorten it."""
    harness.script(cancel=[Answer(503)])
    fields = {} if own is None else {"expiresAt": harness.clock.at(own * 3600).isoformat()}

    await harness.submit(**fields)

    await harness.holds("deferred", Deadline=harness.clock.at(hours * 3600))
