"""The end of a request, one way for both functions: final record → event → due row gone."""

from offer_cancellation import telemetry
from offer_cancellation.ledger.record import Record
from offer_cancellation.ledger.table import Ledger, due_row
from offer_cancellation.outcome import Outcomes


async def settle(ledger: Ledger, outcomes: Outcomes, before: Record, final: Record) -> None:
    """Writes the final record, then does what `report` does.

    Raises LostUpdateError when somebody else wrote the record first: then nothing was sent.
    """
    record = await ledger.save(before, final)
    telemetry.ended(record.status.value, record.error_code)
    await report(ledger, outcomes, record)


async def report(ledger: Ledger, outcomes: Outcomes, record: Record) -> None:
    """Sends the event of a final record, and removes the due row that it may still have."""
    await outcomes.report(record)
    if row := due_row(record):
        await ledger.remove_due_row(row)
