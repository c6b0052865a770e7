"""A dead claimer's request whose message is gone: the due row is enough."""

from collections.abc import Awaitable, Callable

import pytest

from local.portal.script import Answer
from tests.integration.harness import LEASE, Harness

Vanish = Callable[[Harness], Awaitable[None]]


async def _cleared(harness: Harness) -> None:
    """Somebody clears the queue."""
    await harness.requests.clear_messages()


async def _expired(harness: Harness) -> None:
    """Its time-to-live has run out: the service no longer shows it, as if it had been deleted."""
    message = await harness.requests.receive_message()
    assert message is None  # hidden by the dead worker, and gone before it shows up again
    await harness.requests.clear_messages()


async def _poisoned(harness: Harness) -> None:
    """The host gives it up: its workers died too often."""
    await harness.requests.clear_messages()
    await harness.give_up(
        f'{{"publisherId": "contoso", "offerId": "{harness.offer}", "requestId": "r-1"}}'
    )


@pytest.mark.parametrize("vanish", [_cleared, _expired, _poisoned])
async def test_the_timer_goes_on(harness: Harness, vanish: Vanish) -> None:
    """After the lease a tick puts it back; it looks, and ends once, with its event's one id."""
    await harness.die_posting()
    await vanish(harness)
    assert [] == await harness.waiting()
    harness.script(cancel=[Answer(200)], submissions=[Answer(200, [])])
    await harness.tick_after(LEASE + 10)
    await harness.deliver()
    await harness.tick_after(60)
    record = await harness.record()
    await harness.check_rule_1()
    (event_id,) = {event["id"] for event in await harness.outcomes()}
    assert ("canceled", True) == (record["Status"], record["Uncertain"])
    assert event_id == harness.event_id("canceled")
    assert 1 == harness.count("cancel")
