"""The timer: one run in all at a time, on the machine that holds the lock.

When that machine is gone or frozen, another takes over after 44 to 75 s; then two may run at
once. Ticks that could find nothing to do are left out, all but a few: they would cost most of the
simulation's time.
"""

import asyncio
from random import Random
from typing import TYPE_CHECKING

from simulation.host import Machine
from simulation.loop import Gate

if TYPE_CHECKING:
    from simulation.world import World

PERIOD = 30.0  # seconds, as the default POLL_SCHEDULE
LOST_AFTER = (44.0, 75.0)


class Timer:
    """Calls the timer's function of one machine after the other."""

    def __init__(self, world: "World", chance: Random) -> None:
        self._world = world
        self._chance = chance
        self.idle_gap = chance.choice([300.0, 1200.0, 3600.0])  # between ticks with nothing to do
        self._last = 0.0

    async def run(self) -> None:
        """Goes on for as long as the world does."""
        while True:
            machine = self._chance.choice(self._world.machines)
            if _is_alive(machine):
                await self._hold(machine)
            else:
                await asyncio.sleep(5)

    async def tick_beside(self, machine: Machine, ticks: int) -> None:
        """A second holder, as during a hand-over."""
        for _ in range(ticks):
            if _is_alive(machine):
                await self._tick(machine)
            await asyncio.sleep(PERIOD)

    async def _hold(self, machine: Machine) -> None:
        """Ticks on one machine until it is gone, and a while after."""
        host = machine.host
        while machine.host is host and _is_alive(machine):
            await asyncio.sleep(PERIOD - self._world.loop.time() % PERIOD + 0.1)
            if machine.host is host and _is_alive(machine) and not self._is_idle():
                self._last = self._world.loop.time()
                ticking = self._world.loop.spawn(self._tick(machine), None)
                while not ticking.done() and machine.host is host and _is_alive(machine):
                    await asyncio.wait({ticking}, timeout=1)
        await asyncio.sleep(self._chance.uniform(*LOST_AFTER))

    def _is_idle(self) -> bool:
        world = self._world
        return not world.has_work() and world.loop.time() - self._last < self.idle_gap

    async def _tick(self, machine: Machine) -> None:
        self._world.count("ticks")
        try:
            await machine.invoke("tick", lambda app: app.tick(), "")
        except Exception as error:
            self._world.note(machine.name, f"a tick fails with {type(error).__name__}")


def _is_alive(machine: Machine) -> bool:
    return machine.is_up and machine.host.gate is Gate.OPEN
