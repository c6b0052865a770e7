"""What is looked at every five minutes: lost due rows in one bucket, and how much is pending.

A tick itself reads only what is due. These looks cost more, so they are bounded in time, and a
process that has just started leaves them for later.
"""

import asyncio
import logging
from dataclasses import replace

from offer_cancellation import log, telemetry
from offer_cancellation.clients import Clients
from offer_cancellation.errors import UnreadableRecordError
from offer_cancellation.ledger.keys import BUCKETS
from offer_cancellation.ledger.table import DueRow

logger = logging.getLogger(__name__)

PERIOD_SECONDS = 300
MOST_COUNTED = 5_000  # pending requests, an equal share of each bucket


async def look_around(clients: Clients) -> int:
    """Once a period: how many due rows were restored. Raises AzureError."""
    period = int(clients.clock().timestamp()) // PERIOD_SECONDS
    key = f"look {period}"
    is_new_process = clients.once.first("look")
    if not clients.once.first(key) or is_new_process:
        return 0
    try:
        await _measure_pending(clients)
        return await _restore_due_rows(clients, BUCKETS[period % len(BUCKETS)])
    except BaseException:
        clients.once.forget(key)
        raise


async def _restore_due_rows(clients: Clients, bucket: str) -> int:
    """Gives each pending record of a bucket its due row back; how many were missing.

    Rows are written together, so one is missing only after an edit by hand.
    """
    unfinished = await clients.ledger.unfinished(bucket)
    with_due_row = {row.digest for row in await clients.ledger.pending_rows(bucket)}
    return sum([await _restore(clients, bucket, d) for d in sorted(unfinished - with_due_row)])


async def _restore(clients: Clients, bucket: str, digest: str) -> bool:
    """Whether it was still missing: meanwhile a writer may have moved on."""
    try:
        record = await clients.ledger.read(DueRow(bucket, digest))
    except UnreadableRecordError as fault:
        if clients.once.first(str(fault)):
            log.event(logger, "ledger.unreadable_record", logging.ERROR, detail=str(fault))
        return False
    if record is None or record.status.is_final:
        return False
    whole = replace(record, due_at=record.due_at or clients.clock())
    if not await clients.ledger.repair(whole):
        return False
    log.event(
        logger, "ledger.due_row_restored", logging.ERROR, requestId=record.request_id,
        offerId=record.offer_id, correlationId=record.correlation_id, status=record.status.value,
    )  # fmt: skip
    return True


async def _measure_pending(clients: Clients) -> None:
    """Says how many requests are pending, and how old the oldest of them is."""
    now, most = clients.clock(), MOST_COUNTED // len(BUCKETS)
    found = await asyncio.gather(*(clients.ledger.requested(b, most) for b in BUCKETS))
    times = [requested_at for bucket in found for requested_at in bucket]
    telemetry.pending(len(times), max(0.0, (now - min(times, default=now)).total_seconds()))
