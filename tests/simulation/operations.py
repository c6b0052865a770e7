"""Random operations on a table and a queue, through the SDK's clients, and what they come to.

What differs between two services without meaning anything (ids, times, receipts) is left out.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, cast

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from azure.data.tables import TableTransactionError, UpdateMode
from azure.data.tables.aio import TableClient
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient
from hypothesis import strategies as st

PARTITION = "a"
_BEFORE = "W/\"datetime'2000-01-01T00%3A00%3A00.0000000Z'\""  # an ETag that no row has

row_keys = st.sampled_from(["due-1", "due-2", "request-1", "it's"])
values = st.fixed_dictionaries(
    {},
    optional={
        "Status": st.sampled_from(["submitting", "canceled", ""]),
        "Attempts": st.integers(0, 3),
        "Uncertain": st.booleans(),
        "FinishedAt": st.sampled_from(
            [datetime(2030, 1, day, 1, 2, 3, 4000, tzinfo=UTC) for day in (1, 2)]
        ),
    },
)
etags = st.sampled_from([None, "current", "stale"])
modes = st.sampled_from([UpdateMode.REPLACE, UpdateMode.MERGE])
writes = st.one_of(
    st.tuples(st.just("create"), row_keys, values),
    st.tuples(st.just("upsert"), row_keys, values, modes),
    st.tuples(st.just("update"), row_keys, values, modes, etags),
    st.tuples(st.just("delete"), row_keys, etags),
)
filters = st.sampled_from(
    [
        "PartitionKey eq 'a'",
        "PartitionKey eq 'a' and RowKey ge 'due-' and RowKey lt 'due-2'",
        "PartitionKey eq 'a' and (Status eq 'submitting' or Attempts gt 1)",
        "PartitionKey eq 'a' and FinishedAt lt datetime'2030-01-02T00:00:00Z'",
        "PartitionKey eq 'a' and Uncertain eq true",
        "PartitionKey eq 'b'",
        "Status eq 'canceled'",
        "RowKey eq 'it''s'",
    ]
)
table_operations = st.one_of(
    st.tuples(st.just("create_table")),
    st.tuples(st.just("get"), row_keys),
    st.tuples(st.just("query"), filters, st.sampled_from([None, ["RowKey"], ["Status", "Nope"]]),
              st.sampled_from([None, 1, 2])),
    st.tuples(st.just("write"), writes),
    st.tuples(st.just("batch"), st.lists(writes, min_size=1, max_size=4)),
)  # fmt: skip
texts = st.sampled_from(["plain", "<a>&'\"", "ümlaut 🙂", "line\nbreak", ""])
held = st.integers(0, 3)  # which of the messages received so far
queue_operations = st.one_of(
    st.tuples(st.just("create_queue")),
    st.tuples(st.just("delete_queue")),
    st.tuples(st.just("send"), texts, st.sampled_from([0, 300]), st.sampled_from([-1, 3600])),
    st.tuples(st.just("receive"), st.integers(1, 3), st.sampled_from([1, 300])),
    st.tuples(st.just("peek"), st.integers(1, 3)),
    st.tuples(st.just("depth")),
    st.tuples(st.just("clear")),
    st.tuples(st.just("update"), held, st.sampled_from([0, 300]), st.sampled_from([None, "new"])),
    st.tuples(st.just("delete_message"), held),
)


class TableRun:
    """Carries out operations on one table."""

    def __init__(self, table: TableClient) -> None:
        self._table = table
        self._etags: dict[str, str] = {}

    async def outcome(self, operation: tuple[Any, ...]) -> object:
        """What the operation comes to."""
        name, *arguments = operation
        return await _outcome(getattr(self, f"_{name}"), arguments)

    async def _create_table(self) -> None:
        await self._table.create_table()

    async def _get(self, row_key: str) -> object:
        row = await self._table.get_entity(PARTITION, row_key)
        self._etags[row_key] = str(row.metadata["etag"])
        return dict(row)

    async def _query(self, text: str, select: list[str] | None, page: int | None) -> object:
        rows = self._table.query_entities(text, select=select, results_per_page=page)
        return [dict(row) async for row in rows]

    async def _write(self, write: tuple[Any, ...]) -> object:
        name, row, options = self._operation(write)
        call = getattr(self._table, f"{name}_entity")
        result = await call(row, **options)
        return sorted(k for k in result or {} if k == "etag")

    async def _batch(self, operations: list[tuple[Any, ...]]) -> object:
        results = await self._table.submit_transaction(
            cast("Any", [self._operation(write) for write in operations])
        )
        return [sorted(result) for result in results]

    def _operation(self, write: tuple[Any, ...]) -> tuple[str, dict[str, Any], dict[str, Any]]:
        name, row_key, *rest = write
        row = {"PartitionKey": PARTITION, "RowKey": row_key}
        match name:
            case "create":
                return name, row | rest[0], {}
            case "upsert":
                return name, row | rest[0], {"mode": rest[1]}
            case "update":
                return name, row | rest[0], {"mode": rest[1], **self._condition(row_key, rest[2])}
            case _:
                return "delete", row, self._condition(row_key, rest[0])

    def _condition(self, row_key: str, which: str | None) -> dict[str, Any]:
        if which is None:
            return {}
        etag = _BEFORE if which == "stale" else self._etags.get(row_key, _BEFORE)
        return {"etag": etag, "match_condition": MatchConditions.IfNotModified}


class QueueRun:
    """Carries out operations on one queue."""

    def __init__(self, queue: QueueClient) -> None:
        self._queue = queue
        self._received: list[QueueMessage] = []

    async def outcome(self, operation: tuple[Any, ...]) -> object:
        """What the operation comes to."""
        name, *arguments = operation
        return await _outcome(getattr(self, f"_{name}"), arguments)

    async def _create_queue(self) -> None:
        await self._queue.create_queue()

    async def _delete_queue(self) -> None:
        await self._queue.delete_queue()

    async def _send(self, text: str, hidden: int, lifetime: int) -> object:
        sent = await self._queue.send_message(
            text, visibility_timeout=hidden, time_to_live=lifetime
        )
        return _lifetime(sent)

    async def _receive(self, limit: int, hidden: int) -> object:
        pages = self._queue.receive_messages(
            messages_per_page=limit, max_messages=limit, visibility_timeout=hidden
        )
        found = [message async for message in pages]
        self._received += found
        return [(m.content, m.dequeue_count, _lifetime(m)) for m in found]

    async def _peek(self, limit: int) -> object:
        found = await self._queue.peek_messages(max_messages=limit)
        return [(m.content, m.dequeue_count, _lifetime(m)) for m in found]

    async def _depth(self) -> object:
        return (await self._queue.get_queue_properties()).approximate_message_count

    async def _clear(self) -> None:
        await self._queue.clear_messages()

    async def _update(self, number: int, hidden: int, text: str | None) -> object:
        if number >= len(self._received):
            return None
        message = self._received[number]
        updated = await self._queue.update_message(
            message.id, message.pop_receipt, visibility_timeout=hidden, content=text
        )
        message.pop_receipt = updated.pop_receipt
        return updated.content

    async def _delete_message(self, number: int) -> None:
        if number < len(self._received):
            message = self._received[number]
            await self._queue.delete_message(message.id, message.pop_receipt)


async def _outcome(call: Callable[..., Awaitable[object]], arguments: list[Any]) -> object:
    try:
        return await call(*arguments)
    except TableTransactionError as error:
        return (
            type(error).__name__,
            error.status_code,
            str(getattr(error, "error_code", "")),
            error.index,
        )
    except HttpResponseError as error:
        code = getattr(error, "error_code", None)
        return type(error).__name__, error.status_code, str(code)


def _lifetime(message: QueueMessage) -> int:
    """Seconds that a message lives, roughly: in days, as the clocks of two services differ."""
    assert message.expires_on is not None
    assert message.inserted_on is not None
    return (message.expires_on - message.inserted_on).days // 1000 or (
        round((message.expires_on - message.inserted_on).total_seconds() / 60)
    )
