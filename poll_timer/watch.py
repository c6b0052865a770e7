"""What a tick notices besides what is due: rows that are half there, messages given up by the host.

Neither can be lost sight of, and neither is worth a tick's time: the first is looked for in one
bucket of the table every five minutes, the second by a peek when the poison queue is not empty.
"""

import logging
from dataclasses import replace
from datetime import timedelta

from offer_cancel import log, telemetry
from offer_cancel.clients import Clients
from offer_cancel.ledger.entity import NewerRecordError, UnreadableRecordError
from offer_cancel.ledger.keys import BUCKETS
from offer_cancel.ledger.table import due_row
from offer_cancel.request import CancelRequest, parse
from offer_cancel.reuse import reused
from offer_cancel.storage import Poisoned

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 300  # a bucket each: the whole table in 80 minutes
MOST_COUNTED = 5_000
REPORT_WITHIN = timedelta(days=1)  # later restarts do not repeat old events


async def restore_due_rows(clients: Clients) -> int:
    """Gives each pending record of one bucket its due row back; how many were missing.

    Rows are written together, so one is missing only after an edit by hand. Raises AzureError.
    """
    slot = int(clients.clock().timestamp()) // SWEEP_SECONDS
    if not clients.once.first(f"sweep {slot}"):
        return 0
    bucket, ledger, restored = BUCKETS[slot % len(BUCKETS)], clients.ledger, 0
    records = [record async for record in ledger.unfinished(bucket)]
    present = await ledger.pending_rows(bucket)
    for record in records:
        if isinstance(record, str):
            if clients.once.first(record):
                log.event(logger, "ledger.unreadable_record", logging.ERROR, detail=record)
            continue
        whole = replace(record, due_at=record.due_at or clients.clock())
        if due_row(record) not in present and await ledger.repair(whole):
            restored += 1
            log.event(logger, "ledger.due_row_restored", logging.ERROR,
                      requestId=record.request_id, status=record.status.value)  # fmt: skip
    return restored


async def measure_pending(clients: Clients) -> None:
    """Says, once in five minutes, how many requests are pending, and how old the oldest is.

    At most 5,000 are counted. Raises AzureError.
    """
    now = clients.clock()
    if not clients.once.first(f"pending {int(now.timestamp()) // SWEEP_SECONDS}"):
        return
    count, oldest = 0, now
    for bucket in BUCKETS:
        async for requested_at in clients.ledger.requested(bucket):
            count, oldest = count + 1, min(oldest, requested_at)
            if count == MOST_COUNTED:
                break
        if count == MOST_COUNTED:
            break
    telemetry.pending(count, (now - oldest).total_seconds())


async def notice_poison(clients: Clients) -> int:
    """Looks at messages that the host moved to the poison queue, each once; they stay for replay.

    One without a record was never claimed: reported. One whose request has ended may have died
    before its event was sent: the event is sent again. Those that the app itself put there are no
    requests, or another request's. Says how many the queue holds. Raises AzureError.
    """
    depth = await clients.poison.depth()
    telemetry.poison_holds(depth)
    messages = await clients.poison.peek() if depth else []
    for message in messages:
        request = parse(message.text, message.id)
        if isinstance(request, CancelRequest) and clients.once.first(f"poison {message.id}"):
            await _notice(message, request, clients)
    return depth


async def _notice(message: Poisoned, request: CancelRequest, clients: Clients) -> None:
    try:
        record = await clients.ledger.find(request.request_id)
    except (NewerRecordError, UnreadableRecordError):
        return  # the tick reports it
    if record is None:
        log.event(
            logger, "poison.unclaimed", logging.ERROR, requestId=request.request_id,
            offerId=request.offer_id, correlationId=request.correlation_id, messageId=message.id,
        )  # fmt: skip
    elif record.status.is_final and not reused(record, request) and _is_recent(message, clients):
        await clients.outcomes.report(record)


def _is_recent(message: Poisoned, clients: Clients) -> bool:
    return message.since is None or clients.clock() - message.since < REPORT_WITHIN
