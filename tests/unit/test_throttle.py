"""One pace for everything that this process sends."""

import asyncio
from datetime import datetime

from offer_cancellation.backoff import Backoff
from offer_cancellation.portal.throttle import UNLIMITED, Throttle
from tests.unit.samples import NOW, seconds


class Clock:
    """The time, moved by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        """The time."""
        return self.now


def _throttle(clock: Clock) -> Throttle:
    return Throttle(Backoff(15, 300, lambda: 0.0), clock)


async def _refuse(throttle: Throttle, retry_after: float | None = None) -> datetime | None:
    """One call that meets a 429."""
    assert await throttle.enter() is None
    return await throttle.leave(refused=True, retry_after=retry_after)


async def _go_through(throttle: Throttle, calls: int) -> int:
    """How many of so many calls are let through before any comes back."""
    waiting = [asyncio.create_task(throttle.enter()) for _ in range(calls)]
    for _ in range(3):
        await asyncio.sleep(0)
    let_through = sum(task.done() for task in waiting)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    return let_through


async def test_no_pause_at_first() -> None:
    """Nothing waits before a 429 came."""
    throttle = _throttle(Clock())
    assert throttle.paused_until() is None
    assert 100 == await _go_through(throttle, 100)


async def test_pause() -> None:
    """A 429 slows everything this process sends: until Retry-After ends, nothing is sent."""
    clock = Clock()
    throttle = _throttle(clock)
    assert seconds(60) == await _refuse(throttle, 60)
    clock.now = seconds(59.999)
    assert seconds(60) == await throttle.enter()
    clock.now = seconds(60)
    assert throttle.paused_until() is None
    assert await throttle.enter() is None


async def test_pause_without_retry_after() -> None:
    """Without Retry-After the pauses grow, until a good answer comes."""
    clock = Clock()
    throttle = _throttle(clock)
    waits = []
    for _ in range(3):
        end = await _refuse(throttle)
        assert end is not None
        waits.append((end - clock.now).total_seconds())
        clock.now = end
    await throttle.enter()
    assert await throttle.leave(refused=False) is None
    assert await _refuse(throttle) == seconds(15 + 30 + 60 + 15)
    assert [15, 30, 60] == waits


async def test_what_was_in_flight_counts_once() -> None:
    """Calls in flight together escalate once, and none of them cuts the pause short."""
    clock = Clock()
    throttle = _throttle(clock)
    for _ in range(3):
        assert await throttle.enter() is None
    assert await throttle.leave(refused=True) == seconds(15)
    assert await throttle.leave(refused=True, retry_after=40) == seconds(40)
    assert await throttle.leave(refused=True, retry_after=20) == seconds(40)
    clock.now = seconds(40)
    assert await _refuse(throttle) == seconds(40 + 30)


async def test_one_call_at_a_time_after_a_pause() -> None:
    """After a pause one call goes first; each good answer doubles how many may follow."""
    clock = Clock()
    throttle = _throttle(clock)
    await _refuse(throttle, 60)
    clock.now = seconds(60)
    allowed = []
    for _ in range(4):
        allowed.append(await _go_through_and_return(throttle))
        await throttle.enter()
        await throttle.leave(refused=False)
    assert [1, 2, 4, 8] == allowed


async def _go_through_and_return(throttle: Throttle) -> int:
    """How many of fifty calls are let through at once; each of them ends without an answer."""
    let_through = await _go_through(throttle, 50)
    for _ in range(let_through):
        await throttle.leave(refused=None)
    return let_through


async def test_no_answer_says_nothing() -> None:
    """A call without an answer neither pauses the others nor lets more of them through."""
    clock = Clock()
    throttle = _throttle(clock)
    await _refuse(throttle, 60)
    clock.now = seconds(60)
    await throttle.enter()
    assert await throttle.leave(refused=None) is None
    assert 1 == await _go_through_and_return(throttle)


async def test_a_late_good_answer() -> None:
    """An answer to a call from before the pause does not end it."""
    throttle = _throttle(Clock())
    await throttle.enter()
    await _refuse(throttle, 60)
    assert await throttle.leave(refused=False) is None
    assert seconds(60) == await throttle.enter()


async def test_waiting_calls_learn_of_a_pause() -> None:
    """Who waits for a turn when a pause begins is told its end, and does not wait for it."""
    clock = Clock()
    throttle = _throttle(clock)
    await _refuse(throttle, 60)
    clock.now = seconds(60)
    await throttle.enter()
    waiting = asyncio.create_task(throttle.enter())
    await asyncio.sleep(0)
    assert await throttle.leave(refused=True, retry_after=30) == seconds(90)
    assert await waiting == seconds(90)


async def test_unlimited() -> None:
    """Good answers lift every limit but the one that never holds anything back."""
    clock = Clock()
    throttle = _throttle(clock)
    await _refuse(throttle, 1)
    clock.now = seconds(1)
    for _ in range(20):
        await throttle.enter()
        await throttle.leave(refused=False)
    assert 50 == await _go_through_and_return(throttle)
    assert UNLIMITED == throttle._limit


async def test_the_clock_is_set_back() -> None:
    """A clock that goes back a day does not make a pause of 30 s last a day."""
    clock = Clock()
    throttle = _throttle(clock)
    await _refuse(throttle, 30)
    clock.now = seconds(10)
    assert seconds(30) == throttle.paused_until()

    clock.now = seconds(10 - 86400)

    assert seconds(30 - 86400) == await throttle.enter()
    clock.now = seconds(30 - 86400)
    assert throttle.paused_until() is None
