"""A portal that says 429, or nothing at all: the process slows as a whole, and stays in bounds."""

import asyncio

from cancel_trigger.message import Message
from cancel_trigger.submission import handle
from local.portal.script import Answer, Fault
from tests.integration.harness import SHORT_TIMEOUT, Harness, MakeHarness

MANY = 12


async def _send_many(harness: Harness) -> None:
    for number in range(MANY):
        await harness.send(None, requestId=f"many-{number}")


async def _deliver_at_once(harness: Harness) -> None:
    """As many deliveries at a time as there are messages."""

    async def deliver_one() -> None:
        stored = await harness.requests.receive_message(visibility_timeout=300)
        if stored:
            message = Message(str(stored.id), str(stored.content), harness.clock())
            await handle(message, harness.services)
            await harness.requests.delete_message(stored)

    await asyncio.gather(*(deliver_one() for _ in range(MANY)))


async def test_a_429_pauses_trigger_and_tick(harness: Harness) -> None:
    """After one 429 nothing is sent until Retry-After is over, by trigger or tick."""
    harness.accept(Answer(200, {"status": "running"}))
    await harness.submit(requestId="polled")
    harness.clock.advance(60)
    harness.script(cancel=[Answer(429, headers={"Retry-After": "600"}), Answer(200)],
                   operation=[Answer(200, {"status": "completed"})])  # fmt: skip
    await harness.submit(requestId="throttled")
    await harness.submit(requestId="held-back")
    await harness.tick()
    assert (2, 0) == (len(harness.seen("cancel")), len(harness.seen("operation")))
    assert (0, 1) == (
        (await harness.record("held-back"))["Attempts"],
        (await harness.record("throttled"))["Attempts"],
    )
    for _ in range(4):
        await harness.tick_after(310)
        await harness.deliver()
    statuses = [(await harness.record(i))["Status"] for i in ("polled", "throttled", "held-back")]
    assert ["canceled"] * 3 == statuses


async def test_429s_are_bounded(make_harness: MakeHarness) -> None:
    """After the first 429s, in flight together, each pause costs at most one more."""
    harness = make_harness()
    refusals = 3 + MANY
    harness.script(cancel=[Answer(429, headers={"Retry-After": "5"})] * refusals + [Answer(200)])
    await _send_many(harness)
    await _deliver_at_once(harness)
    first = len(harness.seen("cancel"))
    rounds = 0
    while len(harness.seen("cancel")) < refusals:
        rounds += 1
        before = len(harness.seen("cancel"))
        await harness.tick_after(320)
        await _deliver_at_once(harness)
        assert len(harness.seen("cancel")) - before <= 1
    print(f"\n429s: {first} at first, then {refusals - first} in {rounds} pauses")  # noqa: T201
    for _ in range(6):
        await harness.tick_after(320)
        await _deliver_at_once(harness)
    ends = [(await harness.record(f"many-{number}"))["Status"] for number in range(MANY)]
    assert ["canceled"] * MANY == ends


async def test_recovers(harness: Harness) -> None:
    """Once answers are good again, as many calls go at a time as before."""
    harness.script(cancel=[Answer(429, headers={"Retry-After": "1"}), Answer(200)])
    await harness.submit(requestId="first")
    harness.clock.advance(2)
    for number in range(9):
        await harness.submit(requestId=f"good-{number}")
    before = harness.count("cancel")
    harness.script(cancel=[Answer(fault=Fault.HANG)])  # what is in flight stays there
    await _send_many(harness)

    deliveries = asyncio.create_task(_deliver_at_once(harness))
    await harness.until(lambda: harness.count("cancel") == before + MANY)

    deliveries.cancel()
    await asyncio.wait([deliveries])


async def test_a_hanging_portal_bounds_a_tick(make_harness: MakeHarness) -> None:
    """Polls that hang end with their time-out, many at a time: a tick does not add them up."""
    harness = make_harness()
    hasty = make_harness(like=harness, **SHORT_TIMEOUT)
    harness.accept(Answer(fault=Fault.HANG))
    await _send_many(harness)
    await harness.deliver()
    async with asyncio.timeout(MANY * 2 - 1):  # one after the other they would take 2 s each
        came_to = await hasty.tick_after(60)
    assert {"pending": MANY} == dict(came_to)


async def test_a_hanging_portal_bounds_an_invocation(make_harness: MakeHarness) -> None:
    """An attempt, its look included, ends within its lease."""
    harness = make_harness(PARTNER_API_TIMEOUT_SECONDS="1")
    harness.script(cancel=[Answer(fault=Fault.HANG)], submissions=[Answer(fault=Fault.HANG)])
    await harness.submit()
    await harness.holds("deferred", Uncertain=True, Attempts=1)
    async with asyncio.timeout(3 * 1 + 15):  # the lease
        await harness.tick_after(60)
        await harness.deliver()
    await harness.holds("deferred", Uncertain=True, Attempts=1)


async def test_a_post_that_gets_its_turn_late_is_not_sent(make_harness: MakeHarness) -> None:
    """With little of its time left it would be cut off on its way: it waits, and is certain."""
    harness = make_harness(PARTNER_API_TIMEOUT_SECONDS="4")
    harness.script(cancel=[Answer(429, headers={"Retry-After": "1"})])
    await harness.submit(requestId="first")
    harness.clock.advance(2)
    # More than half of a call's time: what waits for it has too little left.
    harness.script(cancel=[Answer(200, delay_seconds=3)])
    await harness.send(None, requestId="in-time")
    await harness.send(None, requestId="too-late")
    await _deliver_at_once(harness)
    records = [await harness.record(name) for name in ("in-time", "too-late")]
    assert {"canceled": 1, "deferred": 0} == {r["Status"]: r["Attempts"] for r in records}
    assert [False, False] == [record["Uncertain"] for record in records]
