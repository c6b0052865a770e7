"""What must hold, each rule in a file of its own, looked at after every step that others can see.

A new rule is a module here with a subclass of `Invariant`.
"""

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING

from simulation.ledger_view import Row
from simulation.network import Call, Fate, Invocation
from simulation.storage.queues import Message
from simulation.storage.tables import Change

if TYPE_CHECKING:
    from simulation.world import World

Step = tuple[Row | None, Row | None]
"""What a commit did to a record: before, after."""


class Invariant:
    """Looks on, and calls `world.fail` when its rule is broken."""

    def __init__(self, world: "World") -> None:
        self.world = world

    def on_commit(self, changes: list[Change], steps: list[Step]) -> None:
        """A write of the table, a transaction's operations together."""

    def on_put(self, queue: str, message: Message) -> None:
        """A message was put on a queue."""

    def on_sent(self, call: Call) -> None:
        """A request leaves its sender."""

    def on_arrival(self, call: Call) -> None:
        """A service has acted on a request and answered."""

    def on_seen(self, call: Call, fate: Fate) -> None:
        """A sender knows what came of its request."""

    def on_ended(self, invocation: Invocation) -> None:
        """A function has returned, raised, or died with its worker."""

    def on_raised(self, invocation: Invocation, error: Exception) -> None:
        """A function has raised."""

    def at_end(self) -> None:
        """The faults are long over."""


def all_of(world: "World") -> list[Invariant]:
    """Every rule, for one world."""
    modules = [import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)]
    return [
        rule(world)
        for module in modules
        for rule in vars(module).values()
        if isinstance(rule, type)
        and issubclass(rule, Invariant)
        and rule.__module__ == module.__name__
    ]
