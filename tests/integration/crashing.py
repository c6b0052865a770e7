"""Lets a process die at every step of its work, one step after the other."""

from collections.abc import AsyncIterator, Awaitable, Callable

from cancel_trigger.message import Message
from cancel_trigger.submission import handle
from local.portal.script import Answer, Fault
from offer_cancellation.clock import rfc3339
from offer_cancellation.errors import StorageError
from poll_timer.tick import tick
from tests.integration.harness import LEASE, Harness, MakeHarness
from tests.integration.tripwire import Crash, Wire, wired

__all__ = [
    "Crashing",
    "acted",
    "carry_on",
    "crash_in_tick",
    "crash_with_message",
    "event_id",
    "every_step",
    "tell_the_truth",
]  # fmt: skip

OLD = {"id": "op-1", "submissionState": "running", "createdDateTime": "2020-01-01T00:00:00Z"}
MANY_ROUNDS = 12
Crashing = Callable[[Harness, Wire], Awaitable[None]]


async def every_step(
    make_harness: MakeHarness, prepare: Crashing, crash: Crashing
) -> AsyncIterator[tuple[Harness, Wire]]:
    """A fresh app for each step at which the work can stop, until there is none left."""
    crash_at = 1
    while True:
        harness, wire = make_harness(), Wire(crash_at)
        await prepare(harness, wire)
        await crash(harness, wire)
        if not wire.has_crashed:
            return
        yield harness, wire
        crash_at += 1


async def crash_with_message(harness: Harness, wire: Wire) -> None:
    """A worker takes the message that is there, and dies at the wire; it shows up again."""
    received = await harness.requests.receive_message()
    assert received is not None
    message = Message(str(received.id), str(received.content), harness.clock())
    try:
        await handle(message, wired(harness.services, wire))
    except Crash:
        await harness.requests.update_message(received, visibility_timeout=0)
    else:
        await harness.requests.delete_message(received)


async def crash_in_tick(harness: Harness, wire: Wire) -> None:
    """A tick dies at the wire; the copies that it had received show up again."""
    try:
        await tick(wired(harness.services, wire))
    except BaseExceptionGroup:
        await _show(harness, wire)


async def _show(harness: Harness, wire: Wire) -> None:
    for copy in wire.received:
        try:
            await harness.services.poison.hide(copy, 0)
        except StorageError:
            pass  # it was deleted


def acted(harness: Harness) -> int:
    """How many POSTs the portal has carried out."""
    return sum(one.answered in (200, 202, Fault.HANG) for one in harness.seen("cancel"))


def tell_the_truth(harness: Harness) -> None:
    """The portal lists what runs: nothing any more once it has acted on a POST."""
    has_acted = acted(harness) > 0
    accepted = Answer(202, headers={"Location": harness.location})
    guarded = {"status": "canceled" if has_acted else "running"}
    harness.script(
        cancel=[accepted],
        operation=[Answer(200, [{**OLD, **guarded}])],
        submissions=[Answer(200, [] if has_acted else [OLD])],
    )


async def carry_on(harness: Harness) -> None:
    """Another process goes on until nothing is left to do: no message, copy or due row."""
    for _ in range(MANY_ROUNDS):
        tell_the_truth(harness)
        harness.clock.advance(LEASE + 10)
        await harness.deliver()
        await harness.tick()
        rows = [row for row in await harness.rows() if row["RowKey"].startswith("due-")]
        if not (rows or await harness.waiting() or await harness.services.poison.depth()):
            return
    raise AssertionError("the request never came to rest")


async def event_id(harness: Harness, request_id: str, status: str) -> str:
    """The one id that events of the request's first run have."""
    record = await harness.record(request_id)
    return f"{request_id}:{rfc3339(record['RequestedAt'])}:1:{status}"
