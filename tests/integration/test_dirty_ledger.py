"""Rows that are malformed, half there, or edited by hand.

They are set right, or reported once, and never stop a tick.
"""

import logging
from collections.abc import Callable
from typing import Any

import pytest

from local.portal.script import Answer
from offer_cancellation.ledger import keys
from offer_cancellation.ledger.keys import DueRow
from tests.integration.harness import REQUEST_ID, Harness

OTHER = "r-healthy"
SWEEP = 300  # seconds between two looks at a bucket
Edit = Callable[[dict[str, Any]], dict[str, Any]]


async def _accepted(harness: Harness, request_id: str = REQUEST_ID) -> dict[str, Any]:
    harness.accept(Answer(200, {"status": "completed"}))
    await harness.submit(requestId=request_id)
    return await harness.record(request_id)


async def _sweep(harness: Harness) -> None:
    """Ticks until every bucket of the table has been looked at."""
    for _ in range(len(keys.BUCKETS) + 2):  # none in the first period, and one more to go on
        await harness.tick_after(SWEEP)


def _logged(caplog: pytest.LogCaptureFixture, name: str) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.message == name]


async def test_due_row_without_record(harness: Harness, caplog: pytest.LogCaptureFixture) -> None:
    """A due row without a record is reported and removed; the others are worked on."""
    await _accepted(harness, OTHER)
    await harness.add_due_row(0, "r-nobody")
    assert {"orphan": 1, "canceled": 1} == await harness.tick_after(60)
    assert "canceled" == (await harness.record(OTHER))["Status"]
    assert [] == await harness.due_rows("r-nobody")
    await harness.tick_after(60)
    assert 1 == len(_logged(caplog, "ledger.orphan_due_row"))


async def test_record_without_due_row(harness: Harness, caplog: pytest.LogCaptureFixture) -> None:
    """A pending record that has lost its due row gets it back, and ends."""
    await _accepted(harness)
    await harness.remove_due_rows()
    await _sweep(harness)
    await harness.ends("canceled")
    assert 1 == len(_logged(caplog, "ledger.due_row_restored"))


async def test_healthy_records_are_left_alone(harness: Harness) -> None:
    """Looking for lost due rows changes nothing where none is lost."""
    await _accepted(harness)
    harness.accept(Answer(200, {"status": "running"}))
    await _sweep(harness)
    await harness.holds("accepted")


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"Status": "weird"}, id="unknown status"),
        pytest.param({"Deadline": None}, id="no deadline"),
        pytest.param({"Attempts": "many"}, id="attempts no number"),
        pytest.param({"RequestId": "another"}, id="another request's id"),
        pytest.param({"Version": 99}, id="a newer version"),
    ],
)
async def test_unreadable_record(
    harness: Harness, caplog: pytest.LogCaptureFixture, columns: dict[str, object]
) -> None:
    """A record that cannot be read is left as it is, reported once, and stops nothing."""
    await _accepted(harness)
    await harness.edit(**columns)
    edited, rows = await harness.record(), await harness.due_rows()
    await _accepted(harness, OTHER)
    await harness.tick_after(60)
    await harness.tick_after(60)
    assert "canceled" == (await harness.record(OTHER))["Status"]
    assert (edited, rows) == (await harness.record(), await harness.due_rows())
    assert 1 == len(_logged(caplog, "ledger.unreadable_record"))


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"OperationId": "7"}, id="guard"),
        pytest.param({"NotificationEmails": "jane"}, id="addresses"),
        pytest.param({"CorrelationId": "x" * 129}, id="correlation id"),
    ],
)
async def test_edited_record_makes_no_message(
    harness: Harness, caplog: pytest.LogCaptureFixture, columns: dict[str, object]
) -> None:
    """A deferred request that the trigger would reject is reported once, and ends once."""
    harness.script(cancel=[Answer(429, headers={"Retry-After": "30"}), Answer(200)])
    await harness.submit()
    await harness.edit(**columns)

    for seconds in (40, 400):
        assert {"unreadable": 1} == await harness.tick_after(seconds)
        await harness.deliver()
    assert [] == await harness.rejected()
    assert 1 == len(_logged(caplog, "ledger.unreadable_record"))

    assert {"expired": 1} == await harness.tick_after(24 * 3600)
    await harness.ends("expired", "DeadlinePassed")


async def test_edited_record_is_mended(harness: Harness) -> None:
    """Once a hand has mended it, it goes on."""
    harness.script(cancel=[Answer(429, headers={"Retry-After": "30"}), Answer(200)])
    await harness.submit()
    await harness.edit(OfferId="a b")
    await harness.tick_after(40)

    await harness.edit(OfferId=harness.offer)
    await harness.tick()
    await harness.deliver()

    await harness.ends("canceled")


async def test_newer_record_meets_a_message(harness: Harness) -> None:
    """A message for a record of a newer version is completed; the record keeps its due row."""
    await _accepted(harness)
    await harness.edit(Version=99, Status="something-new")
    edited = await harness.record()
    await harness.submit()
    assert (edited, []) == (await harness.record(), await harness.waiting())
    assert (1, []) == (harness.count("cancel"), await harness.outcomes())


@pytest.mark.parametrize("seconds", [-3600, 40], ids=["earlier", "later"])
async def test_next_try_edited(harness: Harness, seconds: float) -> None:
    """Whoever edits NextTryAt by hand does not stop a request."""
    await _accepted(harness)
    await harness.edit(NextTryAt=harness.clock.at(seconds))
    await harness.tick_after(120)
    await harness.ends("canceled")


async def test_due_at_edited(harness: Harness) -> None:
    """A due row that does not match its record is replaced by the right one; then it goes on."""
    await _accepted(harness)
    await harness.edit(DueAt=harness.clock.at(90))
    await harness.tick_after(60)
    assert await harness.due_at(90)
    await harness.tick_after(60)
    await harness.ends("canceled")


@pytest.mark.parametrize("answer", [202, 429], ids=["accepted", "deferred"])
async def test_due_at_edited_beyond_the_deadline(harness: Harness, answer: int) -> None:
    """A due row never stands where nobody would come back for it in time."""
    headers = {"Location": harness.location, "Retry-After": "30"}
    harness.script(
        cancel=[Answer(answer, headers=headers), Answer(200)],
        operation=[Answer(200, {"status": "completed"})],
    )
    await harness.submit()
    await harness.edit(DueAt=harness.clock.at(10**8))

    for _ in range(3):
        await harness.tick_after(60)
        await harness.deliver()

    await harness.ends("canceled")


async def test_ended_by_hand(harness: Harness) -> None:
    """Who sets the status alone has the event sent all the same, once."""
    await _accepted(harness)
    await harness.edit(Status="canceled")

    assert {"reported": 1} == await harness.tick_after(60)
    await harness.ends("canceled")


async def test_row_of_an_older_version(harness: Harness) -> None:
    """Columns that an older version did not have are done without."""
    await _accepted(harness)
    older = dict.fromkeys(("Version", "DueAt", "Deferrals", "Writer", "FirstAttemptAt"))
    await harness.edit(**older)
    await harness.tick_after(60)
    await harness.ends("canceled")


async def test_two_due_rows(harness: Harness) -> None:
    """A second due row goes when it comes due; the request's own stays."""
    await _accepted(harness)
    await harness.add_due_row(10)
    (own, *_) = [key for key in await harness.due_rows() if not key.startswith(
        DueRow.at(harness.clock.at(10), REQUEST_ID).row_key)]  # fmt: skip
    await harness.tick_after(15)
    assert [own] == await harness.due_rows()


async def test_due_row_gone_at_the_write(harness: Harness) -> None:
    """A step whose due row somebody removed meanwhile is written all the same."""
    harness.script(cancel=[Answer(429, headers={"Retry-After": "30"}), Answer(200)])
    await harness.submit()
    await harness.tick_after(60)
    await harness.remove_due_rows()
    await harness.deliver()
    await harness.ends("canceled")
