"""Timer payloads, as the host hands them to the worker, to what a tick does."""

import json

import pytest

from local.portal.script import Answer
from tests.conformance.app_site import Site, request
from tests.conformance.payloads import timer_request
from tests.conformance.protos import TypedData

# Relative to the POST's own URL, …/offers/<offer>/cancel.
ACCEPTED = Answer(202, headers={"Location": "operations/56615b67-2185-49fe-80d2-c4ddf77bb2e8"})


@pytest.mark.parametrize(
    "payload",
    [
        timer_request(),
        timer_request(is_monitored=True),
        timer_request(is_past_due=True, is_monitored=True),
        TypedData(json="{}"),
    ],
    ids=["not monitored", "monitored", "past due", "empty"],
)
async def test_a_tick_polls_what_is_due(site: Site, payload: TypedData) -> None:
    """A 202 is followed to its end by the next tick, be it in time or past due."""
    running, completed = Answer(200, {"status": "running"}), Answer(200, {"status": "completed"})
    offer = site.offer(ACCEPTED, operation=(running, completed))
    await site.submit(request(offer))
    assert "accepted" == (await site.record(offer))["Status"]
    await site.tick(payload)
    assert "accepted" == (await site.record(offer))["Status"]

    await site.tick(payload)

    (event,) = await site.take_events()
    assert "canceled" == (await site.record(offer))["Status"]
    assert (202, 2) == (event["data"]["httpStatus"], event["data"]["polls"])


async def test_a_tick_puts_a_deferred_request_back_on_the_queue(site: Site) -> None:
    """After a 503 the timer sends the whole request to the trigger's own queue again."""
    offer = site.offer(Answer(503), Answer(200))
    await site.submit(request(offer))
    assert "deferred" == (await site.record(offer))["Status"]

    await site.tick()

    (message,) = await site.receive()
    assert f"r-{offer}" == json.loads(message.content)["requestId"]
    assert (await site.deliver(message)).succeeded
    (event,) = await site.take_events()
    assert ("canceled", 2) == (event["data"]["status"], event["data"]["attempts"])


async def test_a_tick_without_anything_due_does_nothing(site: Site) -> None:
    """Nothing is polled and nothing is sent."""
    seen = len(site.portal.seen)

    await site.tick()

    assert seen == len(site.portal.seen)
    assert [] == await site.take_events()
