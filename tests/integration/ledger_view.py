"""The ledger's table as an operator can reach it, and what must always be true of it."""

from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from offer_cancellation.clock import after
from offer_cancellation.ledger.keys import DueRow, RecordKey
from offer_cancellation.ledger.record import Record
from offer_cancellation.status import Status
from tests.integration.fake_clock import FakeClock

PUBLISHER = "contoso"
REQUEST_ID = "r-1"
FINAL = ("canceled", "failed", "rejected", "expired")
LEASE = 3 * 100 + 15  # seconds at the default settings


def record_keys(request_id: str) -> tuple[str, str]:
    """PartitionKey and RowKey of a request's record."""
    key = RecordKey.of(request_id)
    return key.bucket, key.row_key


class LedgerView:
    """One app's table; times are seconds after the test's start."""

    def __init__(self, table: TableClient, clock: FakeClock, offer: str) -> None:
        self.table = table
        self.clock = clock
        self.offer = offer

    async def record(self, request_id: str = REQUEST_ID) -> dict[str, Any]:
        """The record's row as the table holds it."""
        row = await self.table.get_entity(*record_keys(request_id))
        return dict(row)

    async def rows(self) -> list[dict[str, Any]]:
        """Every row of the table, which may not exist."""
        try:
            return [dict(row) async for row in self.table.list_entities()]
        except ResourceNotFoundError:
            return []

    async def has_record(self, request_id: str = REQUEST_ID) -> bool:
        """Whether there is a record."""
        try:
            await self.record(request_id)
        except ResourceNotFoundError:
            return False
        return True

    async def due_rows(self, request_id: str = REQUEST_ID) -> list[str]:
        """The keys of the due rows of a request."""
        rows = self.table.query_entities(
            "PartitionKey eq @bucket and RowKey ge 'due-' and RowKey lt 'due.'",
            parameters={"bucket": RecordKey.of(request_id).bucket},
        )
        digest = RecordKey.of(request_id).digest
        return [row["RowKey"] async for row in rows if row["RowKey"].endswith(digest)]

    async def due_at(self, seconds: float, request_id: str = REQUEST_ID) -> bool:
        """Whether the only due row is that of so many seconds after the start."""
        expected = DueRow.at(self.clock.at(seconds), request_id).row_key
        return await self.due_rows(request_id) == [expected]

    async def check_rule_1(self, request_id: str = REQUEST_ID) -> None:
        """Not final: exactly one due row; final, and at rest: none."""
        is_final = (await self.record(request_id))["Status"] in FINAL
        assert len(await self.due_rows(request_id)) == (0 if is_final else 1)

    def new_record(self, request_id: str = REQUEST_ID) -> Record:
        """What a claim of a request would write now."""
        return Record(
            request_id=request_id,
            publisher_id=PUBLISHER,
            offer_id=self.offer,
            status=Status.SUBMITTING,
            requested_at=self.clock(),
            deadline=after(self.clock(), 24 * 3600),
            first_attempt_at=self.clock(),
            attempt_at=self.clock(),
            lease_until=after(self.clock(), LEASE),
            due_at=after(self.clock(), LEASE),
        )

    async def create_table(self) -> None:
        """Makes the table, before the app does."""
        await self.table.create_table()

    async def etag(self, request_id: str = REQUEST_ID) -> str:
        """The ETag of the record's row."""
        row = await self.table.get_entity(*record_keys(request_id))
        return str(row.metadata["etag"])

    async def edit(self, request_id: str = REQUEST_ID, /, **columns: Any) -> None:
        """Changes columns of a record by hand; None removes one."""
        row = await self.table.get_entity(*record_keys(request_id))
        for name, value in columns.items():
            row.pop(name, None)
            if value is not None:
                row[name] = value
        await self.table.update_entity(row, mode=UpdateMode.REPLACE)

    async def remove_record(self, request_id: str = REQUEST_ID) -> None:
        """Deletes a record by hand, and not its due row."""
        await self.table.delete_entity(*record_keys(request_id))

    async def remove_due_rows(self, request_id: str = REQUEST_ID) -> None:
        """Deletes the due rows of a request by hand."""
        for key in await self.due_rows(request_id):
            await self.table.delete_entity(RecordKey.of(request_id).bucket, key)

    async def add_due_row(self, seconds: float, request_id: str = REQUEST_ID) -> None:
        """Inserts one more due row, so many seconds after the start."""
        row_key = DueRow.at(self.clock.at(seconds), request_id).row_key
        row = {"PartitionKey": RecordKey.of(request_id).bucket, "RowKey": row_key}
        await self.table.create_entity(row)
