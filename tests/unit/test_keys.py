"""The table's keys."""

import re
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offer_cancellation.ledger import keys
from offer_cancellation.ledger.keys import DueRow, RecordKey
from tests.unit.samples import NOW, moments, seconds

HEX = r"[0-9a-f]{64}"


def test_keys_of_a_request() -> None:
    """Record and due row stand in the bucket that is the first digit of the id's SHA-256."""
    sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2's own

    key, row = RecordKey.of("abc"), DueRow.at(NOW, "abc")

    assert ("b", sha, f"request-{sha}") == (key.bucket, key.digest, key.row_key)
    assert ("b", f"due-20300131T120000250Z-{sha}") == (row.bucket, row.row_key)
    assert key == row.record_key


def test_there_are_sixteen_buckets() -> None:
    """The buckets are the sixteen hex digits, each of them in use."""
    assert sorted(keys.BUCKETS) == sorted(
        {RecordKey.of(str(number)).bucket for number in range(300)}
    )


def test_due_key_is_in_utc() -> None:
    """A due row stands by its time in UTC."""
    prague = datetime(2030, 2, 1, 0, 30, tzinfo=timezone(timedelta(hours=1)))
    assert DueRow.at(prague, "abc").row_key.startswith("due-20300131T233000000Z-")


@pytest.mark.parametrize(
    ("due_in", "is_due"),
    [
        pytest.param(-3600.0, True, id="long due"),
        pytest.param(-0.001, True, id="just due"),
        pytest.param(0.0, True, id="due now"),
        pytest.param(0.001, False, id="not yet"),
    ],
)
def test_due_until(due_in: float, is_due: bool) -> None:
    """The range of due rows ends with those of this millisecond."""
    assert is_due is (keys.DUE <= DueRow.at(seconds(due_in), "abc").row_key < keys.due_until(NOW))


def test_records_are_not_due_rows() -> None:
    """A record never falls in the range of due rows."""
    assert not keys.DUE <= RecordKey.of("abc").row_key < keys.due_until(seconds(10**9))


@given(one=moments, other=moments, request_id=st.text(), other_id=st.text())
def test_due_keys_sort_as_time_does(
    one: datetime, other: datetime, request_id: str, other_id: str
) -> None:
    """Due rows of different times sort by time, whoever they belong to, and range by it."""
    one_key = DueRow.at(one, request_id).row_key
    other_key = DueRow.at(other, other_id).row_key
    if one != other:
        assert (one < other) is (one_key < other_key)
    assert (one <= other) is (one_key < keys.due_until(other))


@given(request_id=st.text(), due_at=moments)
def test_keys_fit_the_service(request_id: str, due_at: datetime) -> None:
    r"""Keys never hold `/ \ # ?` or control characters, whatever the request id holds."""
    assert re.fullmatch("[0-9a-f]", RecordKey.of(request_id).bucket)
    assert re.fullmatch(rf"request-{HEX}", RecordKey.of(request_id).row_key)
    assert re.fullmatch(rf"due-\d{{8}}T\d{{9}}Z-{HEX}", DueRow.at(due_at, request_id).row_key)


@pytest.mark.parametrize(("arguments", "code"), [(["abc"], 0), ([], 2), (["a", "b"], 2)])
def test_command(
    arguments: list[str],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As a command it prints the query for a record, or how it is used."""
    monkeypatch.setattr("sys.argv", ["keys", *arguments])

    assert code == keys.main()

    query = f"PartitionKey eq 'b' and RowKey eq '{RecordKey.of('abc').row_key}'\n"
    assert ("" if code else query) == capsys.readouterr().out


def test_same_row() -> None:
    """A row is known by its keys, not by what it says of its record."""
    row = DueRow.at(NOW, "abc", "accepted")

    assert row.is_same_row(DueRow.at(NOW, "abc"))
    assert not row.is_same_row(DueRow.at(seconds(1), "abc"))
    assert not row.is_same_row(None)
