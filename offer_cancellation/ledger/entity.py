"""Turns a record into a row of the table, and a row back into a record.

Rows can be edited in the portal or by tools, which store numbers and ids in types of their own:
reading takes each value for what its column is, and says which columns hold something else.
"""

from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from azure.data.tables import EntityProperty
from pydantic import TypeAdapter, ValidationError

from offer_cancellation.clock import whole_milliseconds
from offer_cancellation.errors import NewerRecordError, UnreadableRecordError
from offer_cancellation.ledger.keys import DueRow, RecordKey
from offer_cancellation.ledger.record import VERSION, Record
from offer_cancellation.status import Status

Row = dict[str, Any]

WRITER = "Writer"  # the token of whoever wrote the row last
_COLUMNS = {
    field.name: "".join(part.capitalize() for part in field.name.split("_"))
    for field in fields(Record)
    if field.name != "etag"
}
_TEXTS = frozenset(
    field.name
    for field in fields(Record)
    if field.type in (str, str | None) and field.name in _COLUMNS
)
_RECORD = TypeAdapter(Record)


def to_row(record: Record, writer: str) -> Row:
    """The row of a record; a column without a value is left out."""
    key = RecordKey.of(record.request_id)
    values = {_COLUMNS[name]: value for name, value in asdict(record).items() if name in _COLUMNS}

    return {
        "PartitionKey": key.bucket,
        "RowKey": key.row_key,
        WRITER: writer,
        **{column: _stored(value) for column, value in values.items() if value is not None},
    }


def _stored(value: object) -> object:
    return value.value if isinstance(value, Status) else value


def due_row(record: Record) -> DueRow | None:
    """The due row that a record says it has."""
    if record.due_at is None:
        return None

    return DueRow.at(record.due_at, record.request_id, record.status.value)


def to_due_row(record: Record) -> Row:
    """The due row of a record that has one. Raises ValueError for one that has none."""
    row = due_row(record)
    if row is None:
        raise ValueError(f"request {record.request_id!r} has no due row")

    return {
        "PartitionKey": row.bucket,
        "RowKey": row.row_key,
        "RequestId": record.request_id,
        "RequestedAt": record.requested_at,
        "Status": record.status.value,
    }


def from_row(row: Mapping[str, Any], etag: str) -> Record:
    """The record of a row.

    Raises NewerRecordError, or UnreadableRecordError that names each bad column.
    """
    where = f"row {row.get('PartitionKey')}/{row.get('RowKey')}"
    given = {name: _plain(row[column]) for name, column in _COLUMNS.items() if column in row}
    version = given.get("version")
    if isinstance(version, int) and version > VERSION:
        raise NewerRecordError(f"{where} is of version {version}, newer than {VERSION}")

    values = {name: _text(value) if name in _TEXTS else value for name, value in given.items()}
    try:
        record = _RECORD.validate_python({**_implied(values), **values, "etag": etag})
    except ValidationError as error:
        bad = sorted({_COLUMNS[str(fault["loc"][0])] for fault in error.errors()})
        raise UnreadableRecordError(f"{where}: missing or wrong {', '.join(bad)}") from None

    if naive := [c for n, c in _COLUMNS.items() if _is_naive(getattr(record, n))]:
        raise UnreadableRecordError(f"{where}: times without an offset: {', '.join(naive)}")
    if bad := _bad_target(record, given):
        raise UnreadableRecordError(f"{where}: missing or wrong {', '.join(bad)}")
    if RecordKey.of(record.request_id).row_key != row.get("RowKey"):
        raise UnreadableRecordError(f"{where}: its RequestId belongs to another row")

    return record


def _bad_target(record: Record, given: Mapping[str, object]) -> list[str]:
    """The columns that keep it from naming one offer, or one submission.

    A submission's id has more digits than a floating-point number keeps.
    """
    lossy = ["submission_id"] if isinstance(given.get("submission_id"), float) else []

    return sorted({_COLUMNS[name] for name in (*record.bad_target, *lossy)})


def _implied(values: Mapping[str, Any]) -> dict[str, Any]:
    """Where no due time is given, it follows from the status."""
    status = values.get("status")
    name = "lease_until" if status == Status.SUBMITTING else "next_try_at"

    return {"due_at": values.get(name)}


def _is_naive(value: object) -> bool:
    return isinstance(value, datetime) and value.tzinfo is None


def _plain(value: object) -> object:
    """A value without the table's own types: Int64 comes in a wrapper, times in a subclass."""
    if isinstance(value, EntityProperty):
        value = value.value
    if isinstance(value, datetime) and value.tzinfo:
        return whole_milliseconds(datetime.fromisoformat(value.isoformat()))

    return value


def _text(value: object) -> object:
    """A text that a tool stored as a number or as a GUID."""
    is_number = isinstance(value, int) and not isinstance(value, bool)

    return str(value) if is_number or isinstance(value, UUID) else value
