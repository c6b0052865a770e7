"""Turns a record into a row of the table, and a row back into a record.

Rows can be edited in the portal or by tools, which store numbers and ids in types of their own:
reading takes each value for what its column is, and says which columns hold something else.
"""

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from azure.data.tables import EntityProperty
from pydantic import TypeAdapter, ValidationError

from offer_cancellation.clock import rfc3339, whole_milliseconds
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
_NUMBER = TypeAdapter(int)
_LARGEST = 10**9  # an Int32, with room to count on
_EARLIEST, _LATEST = datetime(1601, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


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
    if (version := _number(given.get("version"))) and version > VERSION:
        raise NewerRecordError(f"{where} is of version {version}, newer than {VERSION}")

    values = {name: _text(value) if name in _TEXTS else value for name, value in given.items()}
    try:
        record = _RECORD.validate_python({**_implied(values), **values, "etag": etag})
    except ValidationError as error:
        bad = sorted({_COLUMNS[str(fault["loc"][0])] for fault in error.errors()})
        raise UnreadableRecordError(f"{where}: missing or wrong {', '.join(bad)}") from None

    if bad := [column for name, column in _COLUMNS.items() if not _is_sane(getattr(record, name))]:
        raise UnreadableRecordError(f"{where}: out of range {', '.join(bad)}")
    if bad := _bad_target(record, given):
        raise UnreadableRecordError(f"{where}: missing or wrong {', '.join(bad)}")
    if RecordKey.of(record.request_id).row_key != row.get("RowKey"):
        raise UnreadableRecordError(f"{where}: its RequestId belongs to another row")

    return replace(record, **_in_utc(record))


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


def _number(value: object) -> int | None:
    try:
        return _NUMBER.validate_python(value)
    except ValidationError:
        return None


def _is_sane(value: object) -> bool:
    """Whether the app could have written it, and can again."""
    if isinstance(value, datetime):
        return _EARLIEST <= _aware(value) <= _LATEST

    return not isinstance(value, int) or 0 <= value <= _LARGEST


def _in_utc(record: Record) -> dict[str, Any]:
    """A record's times in the app's form, whatever form they were stored in."""
    times = {name: getattr(record, name) for name in _COLUMNS}

    return {
        name: whole_milliseconds(_aware(value))
        for name, value in times.items()
        if isinstance(value, datetime)
    }


def _aware(moment: datetime) -> datetime:
    """The table holds UTC: a tool that saved a time as text may have left that out."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _plain(value: object) -> object:
    """A value without the table's own types: Int64 comes in a wrapper, times in a subclass."""
    if isinstance(value, EntityProperty):
        value = value.value
    if isinstance(value, datetime):
        return datetime.fromisoformat(value.isoformat())
    if isinstance(value, bytes):
        return value.decode(errors="replace")

    return value


def _text(value: object) -> object:
    """A text that a tool stored as what it looks like: a number, a GUID, a Boolean, a time."""
    match value:
        case bool():
            return str(value).lower()
        case float() if value.is_integer():
            return str(int(value))
        case int() | float() | UUID():
            return str(value)
        case datetime():
            return rfc3339(_aware(value))

    return value
