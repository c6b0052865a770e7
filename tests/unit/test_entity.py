"""A record as a row of the table, and back."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from azure.data.tables import EdmType, EntityProperty
from hypothesis import given
from hypothesis import strategies as st

from offer_cancellation.errors import NewerRecordError, UnreadableRecordError
from offer_cancellation.ledger import entity
from offer_cancellation.ledger.keys import DueRow, RecordKey
from offer_cancellation.ledger.record import Record
from offer_cancellation.status import Status
from tests.unit.samples import GUID, NOW, TRACE, moments, record, seconds

SHA = RecordKey.of("nightly").digest
ROW = {
    "PartitionKey": SHA[0],
    "RowKey": f"request-{SHA}",
    "Writer": "w1",
    "Version": 1,
    "RequestId": "nightly",
    "Run": 1,
    "PublisherId": "contoso",
    "OfferId": "contoso-offer",
    "Status": "submitting",
    "RequestedAt": seconds(-10),
    "Deadline": seconds(3600),
    "Attempts": 0,
    "Polls": 0,
    "Deferrals": 0,
    "Deaths": 0,
    "Uncertain": False,
    "LeaseUntil": seconds(315),
    "FirstAttemptAt": NOW,
    "AttemptAt": NOW,
    "DueAt": seconds(315),
}
WHERE = f"row {SHA[0]}/request-{SHA}"

_maybe_text = st.none() | st.text(max_size=20)
_maybe_moment = st.none() | moments
records = st.builds(
    Record,
    request_id=st.text(min_size=1, max_size=128),
    publisher_id=st.text(max_size=20),
    offer_id=st.text(max_size=20),
    status=st.sampled_from(Status),
    requested_at=moments,
    deadline=moments,
    notification_emails=_maybe_text,
    operation_id=_maybe_text,
    correlation_id=_maybe_text,
    traceparent=_maybe_text,
    source=_maybe_text,
    run=st.integers(1, 100),
    attempts=st.integers(0, 100),
    polls=st.integers(0, 10**6),
    deferrals=st.integers(0, 100),
    deaths=st.integers(0, 5),
    last_status=st.none() | st.integers(100, 599),
    last_code=_maybe_text,
    last_message=_maybe_text,
    attempt_at=_maybe_moment,
    uncertain_since=_maybe_moment,
    uncertain=st.booleans(),
    http_status=st.none() | st.integers(100, 599),
    location=_maybe_text,
    operation_status=_maybe_text,
    error_code=_maybe_text,
    error_message=_maybe_text,
    lease_until=_maybe_moment,
    first_attempt_at=_maybe_moment,
    accepted_at=_maybe_moment,
    next_try_at=_maybe_moment,
    refused_since=_maybe_moment,
    finished_at=_maybe_moment,
    due_at=moments,
    etag=st.text(max_size=20),
)


def test_row_of_a_claim() -> None:
    """A row has the documented columns and the writer's token, none without a value."""
    assert ROW == entity.to_row(record(), "w1")


def test_row_of_a_full_record() -> None:
    """Every field but the ETag has a column, in PascalCase."""
    full = record(
        status=Status.FAILED,
        notification_emails="jane@contoso.com",
        operation_id=GUID,
        correlation_id="release 7",
        traceparent=TRACE,
        source="/offer-cancellation/a",
        uncertain_since=NOW,
        last_status=500,
        last_code="Busy",
        last_message="later",
        http_status=202,
        location="/api/x",
        operation_status="running",
        error_code="OperationFailed",
        error_message="why",
        accepted_at=NOW,
        next_try_at=NOW,
        refused_since=NOW,
        finished_at=NOW,
        etag="e1",
    )
    expected = ROW | {
        "Status": "failed",
        "NotificationEmails": "jane@contoso.com",
        "OperationId": GUID,
        "CorrelationId": "release 7",
        "Traceparent": TRACE,
        "Source": "/offer-cancellation/a",
        "UncertainSince": NOW,
        "LastStatus": 500,
        "LastCode": "Busy",
        "LastMessage": "later",
        "HttpStatus": 202,
        "Location": "/api/x",
        "OperationStatus": "running",
        "ErrorCode": "OperationFailed",
        "ErrorMessage": "why",
        "AcceptedAt": NOW,
        "NextTryAt": NOW,
        "RefusedSince": NOW,
        "FinishedAt": NOW,
    }
    row = entity.to_row(full, "w1")
    assert expected == row
    assert type(row["Status"]) is str  # the table knows no enums


def test_due_row() -> None:
    """A due row stands in the record's bucket, and says whose it is, and what it waits for."""
    row_key = f"due-20300131T120515250Z-{SHA}"
    assert DueRow(SHA[0], row_key, "submitting") == entity.due_row(record())

    expected = {
        "PartitionKey": SHA[0],
        "RowKey": row_key,
        "RequestId": "nightly",
        "RequestedAt": seconds(-10),
        "Status": "submitting",
    }
    assert expected == entity.to_due_row(record())


def test_no_due_row() -> None:
    """Whoever asks a record without a due row for one has a bug."""
    assert entity.due_row(record(due_at=None)) is None
    with pytest.raises(ValueError, match=r"^request .nightly. has no due row$"):
        entity.to_due_row(record(due_at=None))


@given(one=records, writer=st.text(max_size=10))
def test_round_trip(one: Record, writer: str) -> None:
    """A record comes back from its row as it was."""
    assert one == entity.from_row(entity.to_row(one, writer), one.etag)


class _TableTime(datetime):
    """Stands in for the table client's own datetime type."""


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(_TableTime(2030, 1, 31, 12, 0, 0, 250_999, UTC), id="finer"),
        pytest.param(
            datetime(2030, 1, 31, 13, 0, 0, 250_000, timezone(timedelta(hours=1))), id="offset"
        ),
    ],
)
def test_times_of_a_row(moment: datetime) -> None:
    """Times are read as plain UTC in whole milliseconds."""
    read = entity.from_row(ROW | {"FirstAttemptAt": moment}, "e1").first_attempt_at
    assert read == NOW
    assert (datetime, UTC) == (type(read), read.tzinfo)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, seconds(315), id="given"),
        pytest.param({"DueAt": None}, seconds(315), id="submitting: its lease"),
        pytest.param({"DueAt": None, "Status": "deferred", "NextTryAt": NOW}, NOW, id="deferred"),
        pytest.param({"DueAt": None, "Status": "accepted", "NextTryAt": NOW}, NOW, id="accepted"),
        pytest.param({"DueAt": None, "Status": "canceled"}, None, id="final"),
    ],
)
def test_implied_due_time(changes: dict[str, Any], expected: datetime | None) -> None:
    """Where an operator removed the due time, it follows from the status."""
    row = {name: value for name, value in (ROW | changes).items() if value is not None}
    assert expected == entity.from_row(row, "e1").due_at


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"Attempts": EntityProperty(2, EdmType.INT64)}, {"attempts": 2}, id="Int64"),
        pytest.param({"Attempts": 2.0}, {"attempts": 2}, id="a number as Double"),
        pytest.param({"Attempts": "2"}, {"attempts": 2}, id="a number as text"),
        pytest.param({"Attempts": b"2"}, {"attempts": 2}, id="a number as Binary"),
        pytest.param({"Attempts": True}, {"attempts": 1}, id="a number as Boolean"),
        pytest.param({"Version": EntityProperty(1, EdmType.INT64)}, {}, id="the version"),
        pytest.param({"Uncertain": "true"}, {"uncertain": True}, id="a Boolean as text"),
        pytest.param({"Uncertain": 1}, {"uncertain": True}, id="a Boolean as a number"),
        pytest.param({"Uncertain": 1.0}, {"uncertain": True}, id="a Boolean as Double"),
        pytest.param({"Uncertain": EntityProperty(1, EdmType.INT64)},
                     {"uncertain": True}, id="a Boolean as Int64"),
        pytest.param({"Uncertain": b"True"}, {"uncertain": True}, id="a Boolean as Binary"),
        pytest.param({"Status": b"submitting"}, {}, id="the status as Binary"),
        pytest.param({"RequestId": b"nightly"}, {}, id="a text as Binary"),
        pytest.param({"OperationId": UUID(GUID)}, {"operation_id": GUID}, id="a text as Guid"),
        pytest.param({"CorrelationId": 7}, {"correlation_id": "7"}, id="a text as a number"),
        pytest.param({"CorrelationId": 7.0}, {"correlation_id": "7"}, id="a text as Double"),
        pytest.param({"CorrelationId": 7.5}, {"correlation_id": "7.5"}, id="a text as a fraction"),
        pytest.param({"CorrelationId": True}, {"correlation_id": "true"}, id="a text as Boolean"),
        pytest.param({"CorrelationId": NOW},
                     {"correlation_id": "2030-01-31T12:00:00.250Z"}, id="a text as a time"),
        pytest.param({"CorrelationId": EntityProperty(7, EdmType.INT64)},
                     {"correlation_id": "7"}, id="a text as Int64"),
        pytest.param({"DueAt": "2030-01-31T12:05:15.250Z"}, {}, id="a time as text"),
        pytest.param({"DueAt": "2030-01-31T12:05:15.2509999Z"}, {}, id="a finer time as text"),
        pytest.param({"DueAt": "2030-01-31T13:05:15.250+01:00"}, {}, id="a time with an offset"),
        pytest.param({"DueAt": b"2030-01-31T12:05:15.250Z"}, {}, id="a time as Binary"),
        pytest.param({"DueAt": "2030-01-31T12:05:15.250"}, {}, id="a naive time as text"),
        pytest.param({"DueAt": datetime(2030, 1, 31, 12, 5, 15, 250_000)},  # noqa: DTZ001 - naive
                     {}, id="a naive time"),
    ],
)  # fmt: skip
def test_types_of_tools(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    """A tool that saved a column with a type of its own does not make the row unreadable."""
    read = entity.from_row(ROW | changes, "e1")

    assert read == record(etag="e1", **expected)
    assert record(etag="e1", **expected).due_at == read.due_at
    assert UTC == (read.due_at and read.due_at.tzinfo)


@pytest.mark.parametrize("version", [2, 2.0, "2", b"2", EntityProperty(2, EdmType.INT64)])
def test_a_newer_version_of_any_type(version: object) -> None:
    """A newer row is recognised whatever type its version was saved with."""
    with pytest.raises(NewerRecordError):
        entity.from_row(ROW | {"Version": version}, "e1")


_odd_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.datetimes(),
    st.datetimes(timezones=st.timezones()),
    st.uuids(),
    st.integers().map(lambda value: EntityProperty(value, EdmType.INT64)),
    st.sampled_from([float("nan"), float("inf"), 2**31, 2**63, -1, "", b"\xff", "0001-01-01"]),
)


@given(column=st.sampled_from(sorted(ROW)), value=_odd_values)
def test_whatever_a_column_holds(column: str, value: object) -> None:
    """A row is read, so that it can be written again, or it is unreadable: never a bug."""
    try:
        read = entity.from_row(ROW | {column: value}, "e1")
    except UnreadableRecordError:
        return

    written = entity.to_row(read, "w1")
    assert {bool, int, str, datetime} >= {type(value) for value in written.values()}
    assert all(value < 2**31 for value in written.values() if isinstance(value, int))
    assert read.due_at is None or read == entity.from_row(written, "e1")


def test_columns_of_others() -> None:
    """Columns that are not the record's, the table's own among them, are ignored."""
    row = ROW | {"Timestamp": NOW, "Comment": "checked by hand"}
    assert record(etag="e1") == entity.from_row(row, "e1")


def test_older_rows() -> None:
    """What a row lacks and has a default takes it."""
    row = {name: value for name, value in ROW.items() if name not in ("Version", "Run", "Polls")}
    assert record(etag="e1") == entity.from_row(row, "e1")


def test_newer_row() -> None:
    """A row of a newer version than the code knows is left alone and reported."""
    with pytest.raises(NewerRecordError) as caught:
        entity.from_row({"PartitionKey": "0", "RowKey": "r", "Version": 2}, "e1")
    assert "row 0/r is of version 2, newer than 1" == str(caught.value)


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        pytest.param({"Status": "done"}, "Status", id="a word that is no status"),
        pytest.param({"PublisherId": None}, "PublisherId", id="missing"),
        pytest.param({"Attempts": "many", "Polls": "few"}, "Attempts, Polls", id="several"),
        pytest.param({"Deadline": "soon"}, "Deadline", id="no time"),
        pytest.param({"Version": "two"}, "Version", id="no version"),
        pytest.param(
            {"Status": "deferred", "NextTryAt": "soon", "DueAt": None}, "DueAt, NextTryAt",
            id="what follows from it",
        ),
    ],
)  # fmt: skip
def test_unreadable_row(changes: dict[str, Any], wrong: str) -> None:
    """A row that is no record is reported with every column at fault."""
    row = {name: value for name, value in (ROW | changes).items() if value is not None}
    with pytest.raises(UnreadableRecordError) as caught:
        entity.from_row(row, "e1")
    assert f"{WHERE}: missing or wrong {wrong}" == str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"Attempts": 2**31}, id="more than an Int32"),
        pytest.param({"Attempts": EntityProperty(2**62, EdmType.INT64)}, id="a huge Int64"),
        pytest.param({"Attempts": -1}, id="negative"),
        pytest.param({"Attempts": 1e300}, id="a huge Double"),
        pytest.param({"Deadline": "9999-12-31T23:59:59Z"}, id="after all times"),
        pytest.param({"Deadline": "0001-01-01T00:00:00+05:00"}, id="before all times"),
        pytest.param({"Attempts": float("nan")}, id="not a number"),
        pytest.param({"Deadline": float("inf")}, id="an infinite time"),
        pytest.param({"Deadline": EntityProperty(2**62, EdmType.INT64)}, id="ticks"),
    ],
)
def test_values_that_no_record_has(changes: dict[str, Any]) -> None:
    """A value that could not be written again is a fault of its column, not of the whole batch."""
    (column,) = changes
    with pytest.raises(UnreadableRecordError, match=rf"^row .* {column}$"):
        entity.from_row(ROW | changes, "e1")


def test_row_of_another_request() -> None:
    """A row whose id was changed by hand belongs to another key."""
    with pytest.raises(UnreadableRecordError) as caught:
        entity.from_row(ROW | {"RequestId": "weekly"}, "e1")
    assert f"{WHERE}: its RequestId belongs to another row" == str(caught.value)
