"""One tick: everything that is due, many polls at a time, within bounds of time.

    due rows of 16 partitions ──► quick lane: put back, end, report, repair
                             └──► poll lane:  what is accepted
    the ledger could be read ───► adoption of what the host gave up
    beside all that          ───► maintenance

No poll begins after 120 s; at 240 s what is still in flight is abandoned, and still due. What
needs no poll never waits for one.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from functools import partial

from offer_cancellation import log, telemetry
from offer_cancellation.errors import StorageError
from offer_cancellation.ledger.keys import BUCKETS, DueRow
from offer_cancellation.services import Services
from offer_cancellation.status import Status
from poll_timer.adoption import adopt_given_up
from poll_timer.due_row import DueRows, RowResult
from poll_timer.maintenance import run_maintenance
from poll_timer.poll import Poller, PollSlots
from poll_timer.sends import Sends

logger = logging.getLogger(__name__)

START_WITHIN = 120.0  # seconds in which polls may begin
END_WITHIN = 240.0  # seconds after which everything is abandoned
_MAINTENANCE_SECONDS = 20.0
_FLUSH_SECONDS = 5.0
_QUICK_WIDTH = 32  # rows at a time that need no poll
_ROWS_PER_POLL = 4  # rows held for each poll in flight: their writes go together


async def tick(services: Services) -> Counter[str]:
    """Works on every due row; says how many came to which result.

    Raises StorageError, after all the rest is done, when due rows could not be read.
    """
    return await _Tick(services).run()


class _Lane:
    """Rows that wait for one of `width` workers. `work` never raises."""

    def __init__(
        self, group: asyncio.TaskGroup, width: int, work: Callable[[DueRow], Awaitable[object]]
    ) -> None:
        self._group, self._width, self._work = group, width, work
        self._waiting = deque[DueRow]()
        self._workers = 0

    def add(self, row: DueRow) -> None:
        self._waiting.append(row)
        if self._workers < self._width:
            self._workers += 1
            self._group.create_task(self._work_off())

    async def _work_off(self) -> None:
        try:
            while self._waiting:
                await self._work(self._waiting.popleft())
        finally:
            self._workers -= 1


class _Tick:
    def __init__(self, services: Services) -> None:
        concurrency = services.settings.poll_concurrency
        self._services = services
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._poll_width = concurrency * _ROWS_PER_POLL
        self._outcome_sends, self._request_sends = Sends("outcomes"), Sends("requests")
        self._rows = DueRows(
            services,
            Poller(services, PollSlots(concurrency, self._started + START_WITHIN)),
            self._outcome_sends,
            self._request_sends,
        )
        self._results: Counter[str] = Counter()
        self._unread: list[StorageError] = []

    async def run(self) -> Counter[str]:
        try:
            async with asyncio.timeout_at(self._started + END_WITHIN), asyncio.TaskGroup() as group:
                group.create_task(self._make_request_queue())
                group.create_task(self._maintain())
                group.create_task(self._read_then_adopt(group))
        except TimeoutError:
            log.event(logger, "poll.abandoned", logging.WARNING, cameTo=dict(self._results))
        await self._flush()
        self._report()

        if self._unread:
            raise self._unread[0]

        return self._results

    async def _flush(self) -> None:
        """Rows that are to be removed should be before the host stops this process."""
        try:
            async with asyncio.timeout(_FLUSH_SECONDS):
                await self._services.ledger.flush()
        except TimeoutError:
            pass  # a row that stays costs one more event, with the same id

    def _report(self) -> None:
        self._results = +self._results  # without zeroes
        seconds = round(self._loop.time() - self._started, 3)
        telemetry.ticked(seconds)
        log.event(logger, "poll.tick", seconds=seconds, cameTo=dict(self._results))
        if self._unread:
            log.event(
                logger,
                "ledger.unread",
                logging.ERROR,
                buckets=len(self._unread),
                **log.fault_fields(self._unread[0]),
            )

    async def _read_then_adopt(self, group: asyncio.TaskGroup) -> None:
        """Reads what is due; where the ledger could be read, adopts what the host gave up."""
        polls = _Lane(group, self._poll_width, self._work_on)
        quick = _Lane(group, _QUICK_WIDTH, partial(self._work_quickly_on, polls))
        await asyncio.gather(*(self._read_bucket(bucket, quick, polls) for bucket in BUCKETS))

        if not self._unread:
            group.create_task(self._adopt())

    async def _read_bucket(self, bucket: str, quick: _Lane, polls: _Lane) -> None:
        try:
            async for row in self._services.ledger.due_rows(bucket, self._services.clock()):
                lane = polls if row.status == Status.ACCEPTED else quick
                lane.add(row)
        except StorageError as error:
            self._unread.append(error)

    async def _work_quickly_on(self, polls: _Lane, row: DueRow) -> None:
        if await self._work_on(row, may_poll=False) is RowResult.TO_POLL:
            polls.add(row)

    async def _work_on(self, row: DueRow, *, may_poll: bool = True) -> RowResult:
        """One row; whatever is wrong with it stays its own."""
        try:
            result = await self._rows.process(row, may_poll=may_poll)
        except Exception as error:  # the row is still due
            is_storage = isinstance(error, StorageError)
            result = RowResult.STORAGE_FAILED if is_storage else RowResult.BUG
            log.event(
                logger,
                "poll.row_failed",
                logging.ERROR,
                row=row.row_key,
                **log.fault_fields(error),
            )
        if result is not RowResult.TO_POLL:
            self._results[result] += 1

        return result

    async def _adopt(self) -> None:
        adopted = adopt_given_up(self._services, self._outcome_sends)
        await self._beside("adoption", self._count("adopted", adopted))

    async def _make_request_queue(self) -> None:
        """Producers need it before the app does, and the host does not make it."""
        await self._beside("request-queue", self._services.requests.ensure())

    async def _maintain(self) -> None:
        restored = asyncio.wait_for(run_maintenance(self._services), _MAINTENANCE_SECONDS)
        await self._beside("maintenance", self._count("restored", restored))

    async def _count(self, result: str, number: Awaitable[int]) -> None:
        self._results[result] += await number

    async def _beside(self, what: str, work: Awaitable[None]) -> None:
        """What is done besides what is due: its failure stays its own."""
        try:
            await work
        except Exception as error:  # what is due must not wait for it
            log.event(
                logger, "poll.aside_failed", logging.WARNING, look=what, **log.fault_fields(error)
            )
