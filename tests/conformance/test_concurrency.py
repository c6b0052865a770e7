"""Many invocations at once, in one worker process."""

import asyncio
from collections.abc import Callable
from weakref import WeakKeyDictionary

import pytest

from local.portal.script import Answer
from offer_cancellation import services as shared
from tests.conformance.app_site import PUBLISHER, Site, request
from tests.conformance.worker import Invocation

AT_ONCE = 32


async def test_invocations_at_once_share_their_services(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """32 cold invocations make the services once, ask for one token, and each ends."""
    made: list[shared.Services] = []
    make: Callable[..., shared.Services] = shared.make_services

    def counted(*arguments: object) -> shared.Services:
        made.append(make(*arguments))
        return made[-1]

    monkeypatch.setattr(shared, "make_services", counted)
    monkeypatch.setattr(shared, "_by_loop", WeakKeyDictionary())
    tokens = site.identity.requests
    offers = [site.offer(Answer(200, delay_seconds=0.2)) for _ in range(AT_ONCE)]
    messages = [await site.send(request(offer)) for offer in offers]

    results = await asyncio.gather(*(site.deliver(message) for message in messages))

    for services in made:
        await services.close()
    assert results == [Invocation(succeeded=True)] * AT_ONCE
    assert 1 == len(made)
    assert tokens + 1 == site.identity.requests
    assert [1] * AT_ONCE == [site.portal.count("cancel", offer, PUBLISHER) for offer in offers]
    events = await site.take_events()
    assert sorted(event["data"]["offerId"] for event in events) == sorted(offers)


async def test_a_tick_and_messages_at_once_do_not_disturb_each_other(site: Site) -> None:
    """The host runs both functions of the app on one event loop."""
    offers = [site.offer(Answer(200)) for _ in range(4)]
    messages = [await site.send(request(offer)) for offer in offers]

    await asyncio.gather(site.tick(), *(site.deliver(message) for message in messages))

    events = await site.take_events()
    assert sorted(event["data"]["offerId"] for event in events) == sorted(offers)
