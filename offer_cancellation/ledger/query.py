"""Reads a range of rows of one partition, page after page, and checks what it is given.

A service, or what stands before it, can answer with rows that were not asked for, with one row
twice, or with the same continuation for ever: that is a fault of storage, not the end of a list.
"""

from collections.abc import AsyncIterator, Sequence

from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableEntity
from azure.data.tables.aio import TableClient

from offer_cancellation.errors import StorageError
from offer_cancellation.storage_call import storage_call

_RANGE = "PartitionKey eq @bucket and RowKey ge @first and RowKey lt @end"


async def rows_between(
    table: TableClient,
    bucket: str,
    first: str,
    end: str,
    columns: Sequence[str] = ("RowKey",),
    condition: str = "",
    parameters: dict[str, object] | None = None,
) -> AsyncIterator[TableEntity]:
    """The rows from `first` up to `end` by RowKey, which `columns` holds; none without a table.

    Raises StorageError.
    """
    pages = table.query_entities(
        f"{_RANGE} and {condition}" if condition else _RANGE,
        parameters={"bucket": bucket, "first": first, "end": end, **(parameters or {})},
        select=list(columns),
    ).by_page()
    previous, continuations = "", set[str]()
    while True:
        async with storage_call("a query"):
            page = await _next_page(pages)
            if page is None:
                return
            for row in page:
                previous = _next_key(row, previous, first, end)

            continuation = repr(getattr(pages, "continuation_token", None))
            if continuation in continuations:
                raise StorageError("a query goes round in circles")

        continuations.add(continuation)
        for row in page:
            yield row


async def _next_page(pages: AsyncIterator[AsyncIterator[TableEntity]]) -> list[TableEntity] | None:
    """None after the last one, or without a table."""
    try:
        page = await anext(pages)
    except (StopAsyncIteration, ResourceNotFoundError):
        return None

    return [row async for row in page]


def _next_key(row: TableEntity, previous: str, first: str, end: str) -> str:
    """The RowKey of a row, which comes after the previous one. Raises StorageError."""
    key = row.get("RowKey")
    if not isinstance(key, str) or not max(first, previous) <= key < end or key == previous:
        raise StorageError("the answer to a query holds a row that was not asked for")

    return key
