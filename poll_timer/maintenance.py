"""Looks after what no due row asks for: lost due rows, and the gauges.

That costs much, so it is done at the first tick of a process and then every five minutes, within
the time that the tick gives it.
"""

import asyncio
import logging

from offer_cancellation import log, telemetry, transitions
from offer_cancellation.errors import LostUpdateError, UnreadableRecordError
from offer_cancellation.ledger.keys import BUCKETS, RecordKey
from offer_cancellation.next_step import is_held
from offer_cancellation.services import Services

logger = logging.getLogger(__name__)

PERIOD_SECONDS = 300
COUNT_LIMIT = 5_000  # pending requests that are counted, an equal share of each bucket


async def run_maintenance(services: Services) -> int:
    """Once a period restores due rows, and measures; how many rows. Raises StorageError."""
    period = int(services.clock().timestamp()) // PERIOD_SECONDS
    key = f"maintenance {period}"
    if not services.reported_once.add(key):
        return 0
    try:
        restored = await _restore_due_rows(services, BUCKETS[period % len(BUCKETS)])
        await _measure(services)
    except Exception:
        services.reported_once.discard(key)
        raise

    return restored


async def _restore_due_rows(services: Services, bucket: str) -> int:
    """Gives each pending record of a bucket its due row back; how many were missing.

    Both are written together, so one is missing only after a row was edited.
    """
    unfinished = await services.ledger.unfinished(bucket)
    with_due_row = {row.record_key for row in await services.ledger.pending_rows(bucket)}
    missing = sorted(unfinished - with_due_row)

    return sum([await _restore(services, key) for key in missing])


async def _restore(services: Services, key: RecordKey) -> bool:
    """Whether it was still missing: meanwhile a writer may have moved on."""
    try:
        record = await services.ledger.find(key)
    except UnreadableRecordError as error:
        if services.reported_once.add(str(error)):
            log.event(logger, "ledger.unreadable_record", logging.ERROR, detail=str(error))
        return False

    now = services.clock()
    if record is None or record.status.is_final or is_held(record, now):
        return False
    try:
        if not await services.ledger.restore_due_row(transitions.with_due_time(record, now)):
            return False
    except LostUpdateError:
        return False

    log.event(logger, "ledger.due_row_restored", logging.ERROR, **record.log_fields())

    return True


async def _measure(services: Services) -> None:
    """Sets the gauges: what is pending, since when, and what lies in the two side queues."""
    telemetry.poison_holds(await services.poison.depth())
    telemetry.rejected_holds(await services.rejected.depth())

    now, limit = services.clock(), COUNT_LIMIT // len(BUCKETS)
    found = await asyncio.gather(*(services.ledger.requested(b, limit) for b in BUCKETS))
    times = [requested_at for bucket in found for requested_at in bucket]
    oldest_age = max(0.0, (now - min(times, default=now)).total_seconds())
    telemetry.pending(len(times), oldest_age)
