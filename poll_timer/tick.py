"""One tick: everything that is due, many polls at a time, within bounds of time.

No poll begins after 120 s; at 240 s what is still in flight is abandoned, and still due.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable

from azure.core.exceptions import AzureError

from offer_cancellation import log, telemetry
from offer_cancellation.clients import Clients
from offer_cancellation.ledger.keys import BUCKETS
from offer_cancellation.ledger.table import DueRow
from offer_cancellation.portal.answer import Reply
from offer_cancellation.portal.look import Look
from poll_timer.due import work_on
from poll_timer.poison import notice_poison
from poll_timer.watch import look_around

logger = logging.getLogger(__name__)

START_WITHIN = 120.0  # seconds in which polls may begin
END_WITHIN = 240.0  # seconds after which they are abandoned
_ASIDE_SECONDS = 20.0  # that looks besides what is due may take
_ROWS_PER_POLL = 4  # rows held for each poll in flight: their writes go together


async def tick(clients: Clients) -> Counter[str]:
    """Works on every due row; says how many came to what.

    Raises AzureError, after all the rest is done, when the due rows could not be read.
    """
    return await _Tick(clients).run()


class _Tick:
    def __init__(self, clients: Clients) -> None:
        concurrency = clients.settings.poll_concurrency
        self._clients = clients
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._polls = asyncio.Semaphore(concurrency)
        self._rows = asyncio.Semaphore(concurrency * _ROWS_PER_POLL)
        self._came_to: Counter[str] = Counter()
        self._unread: list[AzureError] = []

    async def run(self) -> Counter[str]:
        try:
            async with asyncio.timeout_at(self._started + END_WITHIN), asyncio.TaskGroup() as group:
                for look in (self._ensure_queue, self._look_around, self._notice):
                    group.create_task(self._aside(look))
                for bucket in BUCKETS:
                    group.create_task(self._read_bucket(bucket, group))
        except TimeoutError:
            log.event(logger, "poll.abandoned", logging.WARNING, cameTo=dict(self._came_to))
        self._came_to = +self._came_to  # without zeroes
        seconds = round(self._loop.time() - self._started, 3)
        telemetry.ticked(seconds)
        log.event(logger, "poll.tick", seconds=seconds, cameTo=dict(self._came_to))
        if self._unread:
            log.event(logger, "ledger.unread", logging.ERROR, buckets=len(self._unread),
                      **log.fault_fields(self._unread[0]))  # fmt: skip
            raise self._unread[0]
        return self._came_to

    async def _aside(self, look: Callable[[], Awaitable[None]]) -> None:
        """What is looked after besides what is due: its failure stays its own."""
        try:
            async with asyncio.timeout(_ASIDE_SECONDS):
                await look()
        except Exception as fault:  # noqa: BLE001 - what is due must not wait for it
            log.event(logger, "poll.aside_failed", logging.WARNING, look=look.__name__.strip("_"),
                      **log.fault_fields(fault))  # fmt: skip

    async def _ensure_queue(self) -> None:
        await self._clients.requests.ensure()  # producers need it before the app does

    async def _look_around(self) -> None:
        self._came_to["restored"] += await look_around(self._clients)

    async def _notice(self) -> None:
        self._came_to["poisoned"] += await notice_poison(self._clients)

    async def _read_bucket(self, bucket: str, group: asyncio.TaskGroup) -> None:
        now = self._clients.clock()
        try:
            async for row in self._clients.ledger.due_rows(bucket, now):
                await self._rows.acquire()
                if self._is_late():
                    self._rows.release()
                    return
                group.create_task(self._work_on(row))
        except AzureError as fault:
            self._unread.append(fault)

    async def _work_on(self, row: DueRow) -> None:
        """One row; whatever is wrong with it stays its own."""
        try:
            self._came_to[await work_on(row, self._clients, self._poll)] += 1
        except Exception as fault:  # noqa: BLE001 - the row is still due
            self._came_to["failed"] += 1
            log.event(logger, "poll.row_failed", logging.ERROR, row=row.row_key,
                      **log.fault_fields(fault))  # fmt: skip
        finally:
            self._rows.release()

    async def _poll(self, call: Callable[[float], Awaitable[Reply | Look]]) -> Reply | Look | None:
        async with self._polls:
            return None if self._is_late() else await call(self._started + START_WITHIN)

    def _is_late(self) -> bool:
        return self._loop.time() - self._started > START_WITHIN
