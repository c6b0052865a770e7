"""What goes wrong, each kind in a file of its own; a seed chooses some of them.

A new fault is a module here with a subclass of `Fault`.
"""

import pkgutil
from functools import cache
from importlib import import_module
from random import Random
from typing import TYPE_CHECKING, ClassVar

from simulation.network import Call, Fate

if TYPE_CHECKING:
    from simulation.world import World


class Fault:
    """Decides about calls, or acts in the world, until the faults are over."""

    name: ClassVar[str]
    share: ClassVar[float] = 0.35  # of the seeds that have it

    def __init__(self, world: "World", chance: Random) -> None:
        self.world = world
        self.chance = chance

    def decide(self, call: Call, fate: Fate) -> None:
        """Changes the fate of a request, or leaves it."""

    async def run(self) -> None:
        """Acts by itself."""


@cache
def kinds() -> tuple[type[Fault], ...]:
    """Every kind of fault, by name."""
    modules = [import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)]
    found = [
        kind
        for module in modules
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Fault) and kind.__module__ == module.__name__
    ]
    return tuple(sorted(found, key=lambda kind: kind.name))


def chosen(world: "World", without: frozenset[str]) -> list[Fault]:
    """The faults of a seed; each has a stream of its own, so that none depends on another."""
    faults = []
    for kind in kinds():
        chance = world.chance.of(f"fault {kind.name}")
        if chance.random() < kind.share and kind.name not in without:
            fault = kind(world, chance)
            world.network.deciders.append(fault.decide)
            faults.append(fault)
    return faults
