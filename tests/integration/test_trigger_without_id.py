"""Messages without an id of their own: put on the queue anew with one, and only then claimed."""

import json

import pytest

from local.portal.script import Answer
from offer_cancellation.clock import rfc3339
from offer_cancellation.errors import StorageError
from tests.integration.faulty_proxy import Proxied
from tests.integration.harness import OPERATION, PUBLISHER, Harness

TRACE = f"00-{'a' * 32}-{'b' * 16}-01"
DAY = 24 * 3600


def without_id(harness: Harness, **fields: object) -> str:
    """A valid message that names no id."""
    return json.dumps({"publisherId": PUBLISHER, "offerId": harness.offer, **fields})


async def test_it_is_sent_anew_complete(harness: Harness) -> None:
    """The copy has an id, the deadline and all that the message said; nothing is claimed yet."""
    fields = {"operationId": OPERATION, "correlationId": "c-1", "traceparent": TRACE}
    addresses = ["a@contoso.com", "b@contoso.com"]
    text = without_id(harness, **fields, notificationEmails=addresses)
    message_id = await harness.send(text)
    harness.clock.advance(60)

    assert 1 == await harness.deliver()

    (copy,) = await harness.waiting()
    assert json.loads(copy) == {
        **fields,
        "publisherId": PUBLISHER,
        "offerId": harness.offer,
        "requestId": f"msg-{message_id}",
        "expiresAt": rfc3339(harness.clock.at(DAY)),
        "notificationEmails": ",".join(addresses),
    }
    assert ([], [], []) == (await harness.rows(), harness.seen(), await harness.outcomes())


async def test_the_copy_is_claimed(harness: Harness) -> None:
    """Its deadline counts from the first message; it was requested when the copy was inserted."""
    harness.script(cancel=[Answer(503), Answer(200)])
    request_id = f"msg-{await harness.send(without_id(harness))}"
    harness.clock.advance(60)
    await harness.deliver()

    await harness.deliver()

    record = await harness.record(request_id)
    assert ("deferred", 1) == (record["Status"], record["Attempts"])
    assert (record["Deadline"], record["RequestedAt"]) == (harness.clock.at(DAY), harness.clock())


async def test_a_crash_between_send_and_completion(harness: Harness) -> None:
    """Delivered again, it is sent anew again: two copies of one request, posted once."""
    harness.script(cancel=[Answer(200)])
    message_id = await harness.send(without_id(harness))
    (message,) = [message async for message in harness.requests.receive_messages()]
    await harness.handle(harness.trigger_input(message))
    await harness.requests.update_message(message, visibility_timeout=0)

    for _ in range(3):
        await harness.deliver()

    assert [] == await harness.waiting()
    assert 1 == harness.count("cancel")
    (row,) = await harness.rows()
    events = await harness.outcomes()
    assert (f"msg-{message_id}", "canceled") == (row["RequestId"], row["Status"])
    assert 1 == len({(event["source"], event["id"]) for event in events})


async def test_what_the_host_gives_up_unclaimed_is_one_request(harness: Harness) -> None:
    """Never sent anew, it is adopted under its copy's id: no record of another id is there."""
    harness.script(cancel=[Answer(200)])
    copy_id = await harness.give_up(without_id(harness))

    for _ in range(2):
        await harness.tick()
    await harness.deliver()

    (row,) = await harness.rows()
    assert (f"msg-{copy_id}", "canceled") == (row["RequestId"], row["Status"])
    assert 1 == harness.count("cancel")


async def test_it_stays_while_the_queue_is_away(proxied: Proxied) -> None:
    """Nothing is claimed, so the invocation fails, and the host delivers it again."""
    harness = proxied.harness
    harness.script(cancel=[Answer(200)])
    await harness.send(without_id(harness))
    proxied.queue.down = True

    with pytest.raises(StorageError):
        await harness.deliver()

    assert ([], 1) == (await harness.rows(), len(await harness.waiting()))
    proxied.queue.down = False
    for _ in range(2):
        await harness.deliver()
    assert "canceled" == (await harness.outcome())["status"]


async def test_one_that_comes_too_late_ends_by_its_copy(harness: Harness) -> None:
    """It expires under the id that it got, nothing posted."""
    message_id = await harness.send(without_id(harness))
    harness.clock.advance(DAY)

    for _ in range(2):
        await harness.deliver()

    data = await harness.outcome()
    assert (f"msg-{message_id}", "expired") == (data["requestId"], data["status"])
    assert [] == harness.seen()


async def test_a_cloud_event_has_an_id(harness: Harness) -> None:
    """Source and id of the envelope name the request: it is claimed at once."""
    harness.script(cancel=[Answer(200)])
    data = json.loads(without_id(harness))
    event = {"specversion": "1.0", "type": "t", "source": "/s", "id": "1", "data": data}

    await harness.send(json.dumps(event))
    await harness.deliver()

    assert "canceled" == (await harness.outcome())["status"]
