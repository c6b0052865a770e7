"""Ends requests and tells of it: final record first, then the outcome event, then no due row.

The due row is the outbox. Until it is removed, the record owes its event, whoever dies.
"""

import base64
import logging
from datetime import datetime

from offer_cancellation import log, telemetry
from offer_cancellation.ledger.record import Record
from offer_cancellation.ledger.table import Ledger, due_row
from offer_cancellation.outcome_event import Refusal, of_record, of_refusal
from offer_cancellation.storage import SendQueue

logger = logging.getLogger(__name__)


class Outcomes:
    """Sends outcome events. `source` names the app, where a record does not."""

    def __init__(self, queue: SendQueue, source: str) -> None:
        self._queue = queue
        self._source = source

    async def send(self, record: Record) -> None:
        """Sends the event of a final record. Raises StorageError."""
        await self._send(of_record(record, self._source))
        log.event(logger, "outcome.sent", **record.log_fields())

    async def send_refusal(self, refusal: Refusal, now: datetime) -> None:
        """Sends the event of a refused message. Raises StorageError."""
        await self._send(of_refusal(refusal, self._source, now))
        log.event(logger, "outcome.sent", **refusal.log_fields())

    async def close(self) -> None:
        """Closes its connections."""
        await self._queue.close()

    async def _send(self, event: bytes) -> None:
        await self._queue.send(base64.b64encode(event).decode())


async def write_end(ledger: Ledger, before: Record, final: Record) -> Record:
    """Writes the end of a request; its due row stays, and owes the event.

    Raises LostUpdateError when another writer was faster, and StorageError.
    """
    record = await ledger.save(before, final)
    telemetry.ended(record.status.value, record.error_code)

    return record


async def report(ledger: Ledger, outcomes: Outcomes, record: Record) -> None:
    """Sends the event of a final record, then has its due row removed. Raises StorageError."""
    await outcomes.send(record)
    if row := due_row(record):
        ledger.remove_soon(row)
