"""Invocations that must fail: the host then delivers the message again."""

import pytest

from local.portal.script import Answer
from tests.conformance.app_site import PUBLISHER, Site, request
from tests.conformance.payloads import queue_metadata
from tests.conformance.protos import TypedData
from tests.conformance.worker import Invocation


async def test_an_outage_of_the_storage_is_a_failure_and_loses_nothing(site: Site) -> None:
    """While the table is gone the invocation fails; delivered again, the request ends."""
    offer = site.offer(Answer(200))
    message = await site.send(request(offer))
    await site.azurite.stop()
    try:
        result = await site.deliver(message)
    finally:
        await site.azurite.start()

    assert not result.succeeded
    assert (result.fault or "").startswith("StorageError: ")
    assert 0 == site.portal.count("cancel", offer, PUBLISHER)
    assert Invocation(succeeded=True) == await site.deliver(message)
    (event,) = await site.take_events()
    assert "canceled" == event["data"]["status"]


async def test_an_outage_fails_a_tick(site: Site) -> None:
    """A timer that cannot read the table has failed, and says so to the host's monitoring."""
    await site.azurite.stop()
    try:
        result = await site.worker.invoke("poll_timer", TypedData(json="{}"))
    finally:
        await site.azurite.start()

    assert not result.succeeded
    assert (result.fault or "").startswith("StorageError: ")


async def test_a_bug_is_a_failure_that_quotes_no_message(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the host logs of an unexpected exception is its type alone."""
    offer = site.offer(Answer(200))

    def broken(text: str, _message_id: str) -> None:
        raise LookupError(text)

    monkeypatch.setattr("cancel_trigger.submission.parse", broken)
    message = await site.send(request(offer))

    result = await site.deliver(message)

    await site.requests.delete_message(message)
    fault = "InvocationError: LookupError on delivery 1"
    assert result == Invocation(succeeded=False, fault=fault)


async def test_metadata_that_cannot_be_decoded_never_reaches_the_app(site: Site) -> None:
    """A JSON message's own `dequeueCount: "many"` fails in the worker: the host gives it up."""
    message = await site.send("{}")
    metadata = {**queue_metadata(message), "DequeueCount": TypedData(string="many")}

    result = await site.worker.invoke("cancel_trigger", TypedData(string="{}"), metadata)

    await site.requests.delete_message(message)
    assert (result.fault or "").startswith("ValueError: ")
    assert [] == await site.take_events()
