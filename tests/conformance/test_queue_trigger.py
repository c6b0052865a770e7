"""Queue messages, as the host hands them to the worker, to their outcomes."""

import base64
import json
from datetime import UTC, timedelta
from typing import Any

import pytest

from local.portal.script import Answer
from tests.conformance.app_site import PUBLISHER, Site, request
from tests.conformance.payloads import queue_metadata
from tests.conformance.protos import TypedData
from tests.conformance.worker import Invocation

OPERATION = "56615b67-2185-49fe-80d2-c4ddf77bb2e8"


async def test_a_message_ends_in_a_record_and_an_event(site: Site) -> None:
    """200 from the API: canceled, in the table and on the outcome queue."""
    offer = site.offer(Answer(200))

    await site.submit(request(offer, correlationId="c-1"))

    (event,) = await site.take_events()
    record = await site.record(offer)
    assert "canceled" == record["Status"]
    assert "OfferCancellation.Canceled" == event["type"]
    assert "/offer-cancellation/conformance" == event["source"]
    assert f"r-{offer}" == event["data"]["requestId"]
    assert "c-1" == event["data"]["correlationId"]
    assert 1 == site.portal.count("cancel", offer, PUBLISHER)


async def test_trigger_metadata_reaches_the_app(site: Site) -> None:
    """Id and insertion time of a message without an id name its request, and its deadline."""
    offer = site.offer(Answer(200))
    message = await site.send(json.dumps({"publisherId": PUBLISHER, "offerId": offer}))

    await site.deliver(message)
    (anew,) = await site.receive()
    await site.deliver(anew)

    record = await site.record(offer)
    assert message.inserted_on
    assert anew.inserted_on
    assert record["RequestId"] == f"msg-{message.id}"
    assert record["RequestedAt"] == anew.inserted_on.astimezone(UTC)
    assert record["Deadline"] == message.inserted_on.astimezone(UTC) + timedelta(hours=24)
    await site.take_events()


async def test_every_field_arrives_as_the_host_sent_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Text, id, insertion time and, of a message that came before, its dequeue count."""
    received: list[Any] = []

    async def spy(message: object, _services: object) -> None:
        received.append(message)

    monkeypatch.setattr("cancel_trigger.function.handle", spy)
    first = await site.send('{"text": "ünïcode"}')
    await site.requests.update_message(first, visibility_timeout=0)
    (again,) = await site.receive()

    assert Invocation(succeeded=True) == await site.deliver(again)

    (message,) = received
    assert message.id == again.id
    assert '{"text": "ünïcode"}' == message.text
    assert message.inserted_at == again.inserted_on
    assert 2 == message.deliveries


@pytest.mark.parametrize("kind", ["string", "bytes"])
async def test_text_and_bytes_are_both_a_body(site: Site, kind: str) -> None:
    """The host sends a string; a binding with `dataType: binary` would send bytes."""
    offer = site.offer(Answer(200))
    message = await site.send(request(offer))
    data = TypedData(**{kind: message.content if kind == "string" else message.content.encode()})

    result = await site.worker.invoke("cancel_trigger", data, queue_metadata(message))

    await site.requests.delete_message(message)
    assert result == Invocation(succeeded=True)
    assert "canceled" == (await site.record(offer))["Status"]
    await site.take_events()


async def test_base64_is_decoded_by_the_app(site: Site) -> None:
    """With `messageEncoding: none` the text comes as it is, and the app reads both."""
    offer = site.offer(Answer(200))

    await site.submit(base64.b64encode(request(offer).encode()).decode())

    assert "canceled" == (await site.record(offer))["Status"]
    await site.take_events()


async def test_an_invalid_message_is_rejected_and_kept(site: Site) -> None:
    """A handled message: one event that names the fault, the text in the rejected queue."""
    text = '{"publisherId": "contoso", "ofer": "misspelt"}'

    await site.submit(text)

    (event,) = await site.take_events()
    (kept,) = [message async for message in site.rejected.receive_messages()]
    await site.rejected.delete_message(kept)
    assert "InvalidRequest" == event["data"]["error"]["code"]
    assert "ofer is an unknown field" in event["data"]["error"]["message"]
    assert text == kept.content


async def test_a_redelivery_sends_the_same_event_again(site: Site) -> None:
    """The host delivers a message twice: one POST, and two events with one id."""
    offer = site.offer(Answer(200))
    text = request(offer)

    await site.submit(text)
    await site.submit(text)

    first, second = await site.take_events()
    assert (first["source"], first["id"]) == (second["source"], second["id"])
    assert 1 == site.portal.count("cancel", offer, PUBLISHER)


async def test_a_cloud_event_keeps_its_own_id(site: Site) -> None:
    """Event Grid delivers an envelope with an `id` that the host takes for the message's."""
    offer = site.offer(Answer(200), operation=(Answer(200, {"status": "running"}),))
    event = {
        "specversion": "1.0",
        "id": "0f9c1b1e",
        "source": "/contoso",
        "type": "Contoso.CancelRequested",
        "data": {"publisherId": PUBLISHER, "offerId": offer, "operationId": OPERATION},
    }
    message = await site.send(json.dumps(event))
    metadata = {**queue_metadata(message), "Id": TypedData(string="0f9c1b1e")}

    result = await site.worker.invoke("cancel_trigger", TypedData(string=message.content), metadata)

    await site.requests.delete_message(message)
    assert result == Invocation(succeeded=True)
    assert (await site.record(offer))["RequestId"].startswith("ce-")
    assert 1 == site.portal.count("operation", offer, PUBLISHER)
    await site.take_events()
