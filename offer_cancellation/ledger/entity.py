"""A record as a row of the table, and back.

Rows can be edited by hand in the portal, or be of another version: reading validates.
"""

from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from offer_cancellation.clock import whole_milliseconds
from offer_cancellation.errors import NewerRecordError, UnreadableRecordError
from offer_cancellation.ledger import keys
from offer_cancellation.ledger.record import VERSION, Record
from offer_cancellation.status import Status

Row = dict[str, Any]

WRITER = "Writer"  # the token of whoever wrote the row last
_COLUMNS = {
    field.name: "".join(part.capitalize() for part in field.name.split("_"))
    for field in fields(Record)
    if field.name != "etag"
}
_RECORD = TypeAdapter(Record)


def to_row(record: Record, writer: str) -> Row:
    """The row of a record; a column without a value is left out."""
    values = {_COLUMNS[name]: value for name, value in asdict(record).items() if name in _COLUMNS}
    return {
        "PartitionKey": keys.bucket(record.request_id),
        "RowKey": keys.record_key(record.request_id),
        WRITER: writer,
        **{column: _stored(value) for column, value in values.items() if value is not None},
    }


def _stored(value: object) -> object:
    return value.value if isinstance(value, Status) else value


def to_due_row(record: Record) -> Row:
    """The due row of a record that has one."""
    return {
        **due_keys(record),
        "RequestId": record.request_id,
        "RequestedAt": record.requested_at,
    }


def due_keys(record: Record) -> Row:
    """The keys of the due row of a record that has one."""
    if record.due_at is None:
        raise ValueError(f"request {record.request_id!r} has no due row")
    return {
        "PartitionKey": keys.bucket(record.request_id),
        "RowKey": keys.due_key(record.due_at, record.request_id),
    }


def from_row(row: Mapping[str, Any], etag: str) -> Record:
    """The record of a row.

    Raises NewerRecordError, or UnreadableRecordError that names each bad column.
    """
    where = f"row {row.get('PartitionKey')}/{row.get('RowKey')}"
    version = row.get(_COLUMNS["version"])
    if isinstance(version, int) and version > VERSION:
        raise NewerRecordError(f"{where} is of version {version}, newer than {VERSION}")
    values = {name: _plain(row[column]) for name, column in _COLUMNS.items() if column in row}
    try:
        record = _RECORD.validate_python({**_implied(values), **values, "etag": etag})
    except ValidationError as error:
        bad = sorted({_COLUMNS[str(fault["loc"][0])] for fault in error.errors()})
        raise UnreadableRecordError(f"{where}: missing or wrong {', '.join(bad)}") from None
    if naive := [c for n, c in _COLUMNS.items() if _is_naive(getattr(record, n))]:
        raise UnreadableRecordError(f"{where}: times without an offset: {', '.join(naive)}")
    if keys.record_key(record.request_id) != row.get("RowKey"):
        raise UnreadableRecordError(f"{where}: its RequestId belongs to another row")
    return record


def _implied(values: Mapping[str, Any]) -> dict[str, Any]:
    """Where no due time is given, it follows from the status."""
    status = values.get("status")
    name = "lease_until" if status == Status.SUBMITTING else "next_try_at"
    return {"due_at": values.get(name)}


def _is_naive(value: object) -> bool:
    return isinstance(value, datetime) and value.tzinfo is None


def _plain(value: object) -> object:
    """The table's own datetime type as an ordinary one."""
    if isinstance(value, datetime) and value.tzinfo:
        return whole_milliseconds(datetime.fromisoformat(value.isoformat()))
    return value
