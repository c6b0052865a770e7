"""The virtual loop: time jumps, order follows from the seed, owners freeze and die."""

import asyncio
import socket
import time

import pytest

from simulation.chance import Chance
from simulation.loop import OutsideWorldError, Owner, VirtualLoop, WaitsForEverError, sealed

HOUR = 3600.0


def _run(loop: VirtualLoop, main: object) -> object:
    try:
        return loop.run_until_complete(main)  # type: ignore[arg-type]
    finally:
        loop.drop_everything()
        loop.close()


def test_time_jumps_to_the_next_timer() -> None:
    """A sleep of an hour takes no time, and the loop's clock has gone on by an hour."""
    loop, began = VirtualLoop(Chance(1).of("order")), time.monotonic()

    async def main() -> float:
        await asyncio.sleep(HOUR)
        return loop.time()

    assert HOUR == _run(loop, main())
    assert time.monotonic() - began < 1


def _order(seed: int) -> list[int]:
    loop, seen = VirtualLoop(Chance(seed).of("order")), list[int]()

    async def note(number: int) -> None:
        await asyncio.sleep(0)
        seen.append(number)

    async def main() -> None:
        await asyncio.gather(*map(note, range(8)))

    _run(loop, main())
    return seen


def test_the_same_seed_gives_the_same_order() -> None:
    """Which ready task runs next is the seed's choice, and no other's."""
    assert _order(1) == _order(1)
    assert len({tuple(_order(seed)) for seed in range(10)}) > 5


def test_a_dead_owner_never_runs_again() -> None:
    """A kill drops an owner between two awaits: not even its `finally` runs."""
    loop, owner, seen = VirtualLoop(Chance(1).of("order")), Owner("it"), list[str]()

    async def work() -> None:
        try:
            await asyncio.sleep(10)
            seen.append("woke")
        finally:
            seen.append("finally")

    async def main() -> list[str]:
        loop.spawn(work(), owner)
        await asyncio.sleep(5)
        loop.kill(owner)
        await asyncio.sleep(20)
        return list(seen)

    assert [] == _run(loop, main())


def test_a_frozen_owner_goes_on_when_it_thaws() -> None:
    """What was due while an owner was frozen runs when it goes on, and not before."""
    loop, owner, woke = VirtualLoop(Chance(1).of("order")), Owner("it"), list[float]()

    async def work() -> None:
        await asyncio.sleep(10)
        woke.append(loop.time())

    async def main() -> None:
        loop.spawn(work(), owner)
        await asyncio.sleep(5)
        loop.freeze(owner)
        await asyncio.sleep(100)
        loop.thaw(owner)
        await asyncio.sleep(1)

    _run(loop, main())
    assert [105.0] == woke


def test_waiting_for_ever_is_noticed() -> None:
    """Nothing ready and no timer: whoever waits would wait for ever."""
    loop = VirtualLoop(Chance(1).of("order"))

    async def main() -> None:
        await loop.create_future()

    with pytest.raises(WaitsForEverError, match="nothing is scheduled"):
        _run(loop, main())


async def _connect() -> None:
    socket.create_connection(("127.0.0.1", 9), timeout=1)


async def _sleep() -> None:
    time.sleep(0.01)  # noqa: ASYNC251 - the very thing that is refused


async def _thread() -> None:
    await asyncio.to_thread(time.monotonic)


@pytest.mark.parametrize("reach", [_connect, _sleep, _thread])
def test_the_world_is_sealed(reach: object) -> None:
    """Sockets, sleeps and threads are refused, with their names."""
    loop = VirtualLoop(Chance(1).of("order"))
    with sealed(), pytest.raises(OutsideWorldError):
        _run(loop, reach())  # type: ignore[operator]
