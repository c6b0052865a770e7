"""Watching a run from outside: events and rejected texts as they come, the ledger again and again.

While the storage is away nothing is seen, and nothing concluded.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator

from azure.core.exceptions import AzureError

from chaos import rule_one
from chaos.observed import FINAL, Event, Snapshot
from chaos.plan import Plan
from chaos.storage import Storage

_LOOK_SECONDS = 0.5
_QUIET_LOOKS = 3  # in a row that find everything settled


class Watch:
    """Collects until everything has ended."""

    def __init__(self, plan: Plan, storage: Storage, clock: Callable[[], float]) -> None:
        self.events: list[Event] = []
        self.rejected: list[str] = []
        self.ledger = Snapshot()
        self.rule_one: set[str] = set()
        self.pending = "nothing seen yet"  # what is waited for
        self._plan = plan
        self._storage = storage
        self._clock = clock

    async def run(self, is_over: Callable[[], bool]) -> None:
        """Look until all has settled, and goes on being so; `is_over`: no more is sent or done."""
        quiet = 0
        while quiet < _QUIET_LOOKS:
            try:
                self.pending = await self._look()
            except AzureError:
                self.pending = "the storage is away"
            quiet = 0 if self.pending or not is_over() else quiet + 1
            await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self) -> str:
        async for body in self._storage.take_events():
            data = body.get("data") or {}
            self.events.append(
                Event(
                    at=self._clock(),
                    source=str(body.get("source")),
                    id=str(body.get("id")),
                    request_id=str(data.get("requestId")),
                    status=str(data.get("status")),
                    body=body,
                )
            )
        async for text in self._storage.take_rejected():
            self.rejected.append(text)
        await self._sample()
        return ", ".join(
            f"{count} {what}"
            for what, count in [
                *self._missing(),
                ("messages on the queue", await self._storage.waiting()),
            ]
            if count
        )

    async def _sample(self) -> None:
        before, self.ledger = self.ledger, await self._storage.read_ledger()
        self.rule_one |= rule_one.broken(before, self.ledger)
        if rule_one.suspects(self.ledger):
            again = await self._storage.read_ledger()
            self.rule_one |= rule_one.broken(self.ledger, again)
            self.ledger = again

    def _missing(self) -> Iterator[tuple[str, int]]:
        """How much of what must come has not. What is wrong with it is the verdict's business."""
        final = {row.request_id for row in self.ledger.records.values() if row.status in FINAL}
        told = {event.request_id for event in self.events}
        wanted = {request.request_id for request in self._plan.requests}
        rejected = Counter(
            {i.text: 1 if i.again_at is None else 2 for i in self._plan.invalid}
        ) - Counter(self.rejected)
        yield "requests not final", len(wanted - final)
        yield "events missing", len(wanted - told)
        yield "texts not in the rejected queue", rejected.total()
        yield "due rows left", len(self.ledger.due)
