"""The operators' commands, on the table and the queues of an app that goes on working."""

import argparse
import asyncio
import importlib
import itertools
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.data.tables.aio import TableClient
from azure.storage.queue.aio import QueueClient

import ops.extend
import ops.rejected
import ops.remove
import ops.rerun
from local.portal.script import Answer
from offer_cancellation.clock import after, rfc3339
from offer_cancellation.ledger.keys import DueRow, RecordKey
from ops.command import amount, show
from ops.extend import extend
from ops.rejected import drop, list_all, put_back
from ops.remove import remove
from ops.rerun import rerun
from ops.storage import MissingVariableError, open_queues, open_table, variables
from tests.integration.faulty_proxy import Proxied
from tests.integration.harness import PUBLISHER, REQUEST_ID, Harness

ROOT = Path(__file__).parents[2]
VARIABLES = ("STORAGE_ACCOUNT_NAME", "LEDGER_TABLE", "CANCEL_QUEUE", "REJECTED_QUEUE")
HOUR = 3600
DAY = 24 * HOUR
OTHER = "r-other"
REFUSED = Answer(403, {"error": {"code": "Forbidden", "message": "no"}})
# What a request must not bring into its next run.
CLEARED = (
    "FinishedAt", "ErrorCode", "ErrorMessage", "HttpStatus", "OperationStatus", "Location",
    "AcceptedAt", "RefusedSince", "LeaseUntil", "FirstAttemptAt", "AttemptAt", "UncertainSince",
    "LastStatus", "LastCode", "LastMessage",
)  # fmt: skip
BROKEN = [
    pytest.param({"Version": 99}, " is of version 99, newer than 1", id="a newer version"),
    pytest.param({"Attempts": "many"}, ": missing or wrong Attempts", id="unreadable"),
]


async def _all(lines: AsyncIterator[str]) -> list[str]:
    return [line async for line in lines]


async def _rerun(harness: Harness, *request_ids: str, hours: float = 24) -> list[str]:
    return await _all(rerun(harness.table, harness.clock(), hours, request_ids))


async def _extend(harness: Harness, hours: float) -> list[str]:
    return await _all(extend(harness.table, harness.clock(), hours))


async def _remove(harness: Harness, days: float, *, delete: bool = False) -> list[str]:
    return await _all(remove(harness.table, harness.clock(), days, delete=delete))


def _through(proxied: Proxied) -> TableClient:
    """The table as a command reaches it through the proxy."""
    storage = str(proxied.harness.services.settings.storage)

    return TableClient.from_connection_string(storage, proxied.harness.table.table_name)


def _rejected_queue(harness: Harness) -> QueueClient:
    return harness.around.queues.get_queue_client(f"requests-{harness.name}-rejected")


async def _rejected(harness: Harness, *then: Answer) -> None:
    harness.script(cancel=[REFUSED, *then])
    await harness.submit()
    await harness.ends("rejected", "Forbidden")


def _row() -> str:
    """The request's row, as a fault names it."""
    return f"row {RecordKey.of(REQUEST_ID).bucket}/{RecordKey.of(REQUEST_ID).row_key}"


async def _ended_again(harness: Harness, *ids: str) -> None:
    """It is canceled and at rest, and these are the events, in order."""
    await harness.check_rule_1()
    record = await harness.record()
    requested_at = rfc3339(record["RequestedAt"])
    events = [f"{REQUEST_ID}:{requested_at}:{event_id}" for event_id in ids]
    assert ("canceled", events) == (
        record["Status"],
        [event["id"] for event in await harness.outcomes()],
    )


def _moved(harness: Harness, before: float, now: float, request_id: str = REQUEST_ID) -> str:
    start, end = (rfc3339(harness.clock.at(seconds)) for seconds in (before, now))
    return f"{request_id} {start} -> {end}"


# Run again.


async def test_rerun_of_a_rejected_request(harness: Harness) -> None:
    """It is posted again with the next tick, and its outcome is a new event."""
    await _rejected(harness, Answer(200))
    assert [f"{REQUEST_ID} runs again, run 2"] == await _rerun(harness, REQUEST_ID)
    await harness.tick()
    await harness.deliver()
    await _ended_again(harness, "1:rejected", "2:canceled")
    assert 2 == (await harness.outcomes())[-1]["data"]["attempts"]


async def test_rerun_starts_from_the_beginning(harness: Harness) -> None:
    """What the last run's polls left is gone; what counts over all runs stays."""
    harness.accept(Answer(404))
    await harness.submit()
    while (await harness.record())["Status"] == "accepted":
        await harness.tick_after(60)
    old = await harness.record()
    assert {"RefusedSince", "ErrorCode", "AcceptedAt", "Location"} <= set(old)
    await _rerun(harness, REQUEST_ID, hours=5)
    new = await harness.record()
    assert [] == [name for name in CLEARED if name in new]
    now = harness.clock()
    assert {
        "Status": "deferred", "Run": 2, "Polls": 0, "Deferrals": 0, "NextTryAt": now,
        "DueAt": now, "Deadline": after(now, 5 * HOUR), "Attempts": old["Attempts"],
        "RequestedAt": old["RequestedAt"], "Uncertain": False,
    }.items() <= new.items()  # fmt: skip
    assert [DueRow.at(now, REQUEST_ID).row_key] == await harness.due_rows()


async def test_first_refused_poll_of_a_rerun(harness: Harness) -> None:
    """A run has its ten minutes of refused polls to itself."""
    harness.accept(Answer(404))
    await harness.submit()
    while (await harness.record())["Status"] == "accepted":
        await harness.tick_after(60)
    await _rerun(harness, REQUEST_ID)
    harness.accept(Answer(404), Answer(200, {"status": "completed"}))
    await harness.tick()
    await harness.deliver()
    await harness.tick_after(60)
    assert "accepted" == (await harness.record())["Status"]
    await harness.tick_after(120)
    await _ended_again(harness, "1:failed", "2:canceled")


async def test_rerun_of_an_uncertain_request_posts_at_once(harness: Harness) -> None:
    """A new run has no memory of a POST that may have arrived: it does not look first."""
    harness.script(cancel=[Answer(500)])
    await harness.submit()
    await harness.tick_after(25 * HOUR)
    assert (await harness.outcome())["uncertain"]
    harness.script(cancel=[Answer(200)])

    await _rerun(harness, REQUEST_ID)
    await harness.tick()
    await harness.deliver()

    await _ended_again(harness, "1:expired", "2:canceled")
    assert 0 == harness.count("submissions")
    assert "uncertain" not in (await harness.outcomes())[-1]["data"]


async def test_rerun_of_an_expired_request(harness: Harness) -> None:
    """It gets a deadline of its own."""
    harness.script(cancel=[Answer(429), Answer(200)])
    await harness.submit()
    await harness.tick_after(25 * HOUR)
    await harness.ends("expired", "DeadlinePassed")
    await _rerun(harness, REQUEST_ID)
    await harness.tick()
    await harness.deliver()
    await _ended_again(harness, "1:expired", "2:canceled")


async def test_rerun_when_its_old_due_row_would_be_due(harness: Harness) -> None:
    """A due row is written even for the very moment that the record still names."""
    await _rejected(harness)
    await harness.edit(DueAt=harness.clock())
    await _rerun(harness, REQUEST_ID)
    await harness.check_rule_1()


async def test_rerun_leaves_alone_what_is_not_finished(harness: Harness) -> None:
    """Neither a pending request nor an unknown one is touched."""
    harness.accept(Answer(200, {"status": "running"}))
    await harness.submit()
    rows = await harness.rows()
    assert [
        f"{REQUEST_ID} is left alone: it is accepted",
        "nobody is left alone: it has no record",
    ] == await _rerun(harness, REQUEST_ID, "nobody")
    assert rows == await harness.rows()


async def test_rerun_waits_for_the_outcome(harness: Harness) -> None:
    """A final record that has a due row keeps it: its event is still to be sent."""
    await _rejected(harness)
    due_in = (await harness.record())["DueAt"] - harness.clock()
    await harness.add_due_row(due_in.total_seconds())
    expected = [f"{REQUEST_ID} is left alone: its outcome is not out yet"]
    assert expected == await _rerun(harness, REQUEST_ID)
    await harness.tick_after(due_in.total_seconds())
    assert [f"{REQUEST_ID} runs again, run 2"] == await _rerun(harness, REQUEST_ID)


async def test_rerun_twice(harness: Harness) -> None:
    """The second time it is no longer finished."""
    await _rejected(harness)
    await _rerun(harness, REQUEST_ID)
    again = await _rerun(harness, REQUEST_ID)
    assert [f"{REQUEST_ID} is left alone: it is deferred"] == again


@pytest.mark.parametrize(("columns", "fault"), BROKEN)
async def test_rerun_of_what_cannot_be_read(
    harness: Harness, columns: dict[str, Any], fault: str
) -> None:
    """It is left as it is and named; the next one runs."""
    await _rejected(harness)
    harness.script(cancel=[REFUSED])
    await harness.submit(requestId=OTHER)
    await harness.edit(**columns)
    edited = await harness.record()
    first, second = await _rerun(harness, REQUEST_ID, OTHER)
    assert first == f"{REQUEST_ID} is left alone: {_row()}{fault}"
    assert (edited, f"{OTHER} runs again, run 2") == (await harness.record(), second)


# More time.


async def test_extend_a_deferred_request(harness: Harness) -> None:
    """It is tried past its old deadline, until it succeeds."""
    harness.script(cancel=[Answer(429), Answer(200)])
    await harness.submit()
    assert [_moved(harness, DAY, 2 * DAY)] == await _extend(harness, 48)
    await harness.check_rule_1()
    await harness.tick_after(25 * HOUR)
    await harness.deliver()
    await harness.ends("canceled")


async def test_extend_an_accepted_request(harness: Harness) -> None:
    """It is polled past its old deadline, with the due row that it has."""
    harness.accept(Answer(200, {"status": "running"}), Answer(200, {"status": "completed"}))
    await harness.submit()
    rows = await harness.due_rows()
    assert [_moved(harness, DAY, 2 * DAY)] == await _extend(harness, 48)
    assert rows == await harness.due_rows()
    await harness.tick_after(25 * HOUR)
    await harness.holds("accepted")
    await harness.tick_after(HOUR)
    await harness.ends("canceled")


@pytest.mark.parametrize("hours", [1, 24])
async def test_extend_never_shortens(harness: Harness, hours: float) -> None:
    """What has that much time already keeps its deadline."""
    harness.script(cancel=[Answer(429)])
    await harness.submit()
    before = await harness.rows()
    assert ([], before) == (await _extend(harness, hours), await harness.rows())


async def test_extend_what_is_finished(harness: Harness) -> None:
    """A finished request keeps its deadline."""
    await _rejected(harness)
    before = await harness.rows()
    assert ([], before) == (await _extend(harness, 48), await harness.rows())


async def test_extend_what_is_being_submitted(harness: Harness) -> None:
    """It is left alone, and named, so that its worker's write is not lost."""
    await harness.die_posting()
    before = await harness.rows()
    expected = [f"{REQUEST_ID} is just being submitted: run this again"]
    assert (expected, before) == (await _extend(harness, 48), await harness.rows())


async def test_extend_many(harness: Harness) -> None:
    """More than are moved at once all get the same deadline."""
    every = (f"many-{number}" for number in itertools.count())
    names = list(itertools.islice((n for n in every if RecordKey.of(n).bucket == "0"), 33))
    harness.script(cancel=[Answer(429)])
    for name in names:
        await harness.send(requestId=name)
    while await harness.deliver():
        pass
    lines = await _extend(harness, 48)
    assert {_moved(harness, DAY, 2 * DAY, name) for name in names} == set(lines)
    records = [await harness.record(name) for name in names]
    assert {harness.clock.at(2 * DAY)} == {record["Deadline"] for record in records}


@pytest.mark.parametrize(("columns", "fault"), BROKEN)
async def test_extend_what_cannot_be_read(
    harness: Harness, columns: dict[str, Any], fault: str
) -> None:
    """It is left as it is and named; the others get their time."""
    harness.script(cancel=[Answer(429)])
    await harness.submit()
    await harness.submit(requestId=OTHER)
    await harness.edit(**columns)
    edited = await harness.record()
    lines = await _extend(harness, 48)
    expected = {f"left alone: {_row()}{fault}", _moved(harness, DAY, 2 * DAY, OTHER)}
    assert expected == set(lines)
    assert edited == await harness.record()


async def test_rerun_when_another_writer_is_faster(proxied: Proxied) -> None:
    """What is written between reading and writing is kept, and the request is named."""
    harness = proxied.harness
    await _rejected(harness)

    proxied.table.interrupt("$batch", lambda: harness.edit(CorrelationId="edited"))

    async with _through(proxied) as table:
        lines = await _all(rerun(table, harness.clock(), 24, [REQUEST_ID]))

    assert [f"{REQUEST_ID} is left alone: another writer has just changed it"] == lines
    record = await harness.record()
    assert ("edited", 1) == (record["CorrelationId"], record["Run"])


async def test_extend_when_another_writer_is_faster(proxied: Proxied) -> None:
    """The same: the request is named, so that the operator extends once more."""
    harness = proxied.harness
    harness.script(cancel=[Answer(429)])
    await harness.submit()

    proxied.table.interrupt("$batch", lambda: harness.edit(CorrelationId="edited"))

    async with _through(proxied) as table:
        lines = await _all(extend(table, harness.clock(), 48))

    assert [f"{REQUEST_ID} has just moved: run this again"] == lines
    record = await harness.record()
    assert ("edited", harness.clock.at(DAY)) == (record["CorrelationId"], record["Deadline"])


# Old records.


def _removed(count: int, days: float = 7) -> list[str]:
    return [f"{count} removed (finished and past their deadline for {days:g} days)"]


def _would_go(count: int, days: float = 7) -> list[str]:
    expected = f"{count} would go; add --delete"
    return [f"{expected} (finished and past their deadline for {days:g} days)"]


async def test_remove_old_records(harness: Harness) -> None:
    """What is old enough goes, but not before it is asked for; what is pending stays."""
    await _rejected(harness)
    harness.accept(Answer(200, {"status": "running"}))
    await harness.submit(requestId=OTHER)
    harness.clock.advance(9 * DAY)
    rows = await harness.rows()
    assert (_would_go(1), rows) == (await _remove(harness, 7), await harness.rows())
    assert _removed(1) == await _remove(harness, 7, delete=True)
    assert [False, True] == [await harness.has_record(name) for name in (REQUEST_ID, OTHER)]
    assert _removed(0) == await _remove(harness, 7, delete=True)


@pytest.mark.parametrize(
    ("days", "waited", "expected"),
    [
        pytest.param(1, 7.9, _removed(0), id="less than seven days are seven, after the deadline"),
        pytest.param(1, 8.1, _removed(1), id="seven days after the deadline"),
        pytest.param(30, 30.9, _removed(0, 30), id="not yet as old as was asked for"),
        pytest.param(30, 31.1, _removed(1, 30), id="as old as was asked for"),
    ],
)
async def test_remove_no_younger_records(
    harness: Harness, days: float, waited: float, expected: list[str]
) -> None:
    """The days count from the deadline, a day after the end; at least seven."""
    await _rejected(harness)
    harness.clock.advance(waited * DAY)
    assert expected == await _remove(harness, days, delete=True)


async def test_remove_what_finished_late(harness: Harness) -> None:
    """The days count from the end as well, where it came after the deadline."""
    await _rejected(harness)
    harness.clock.advance(9 * DAY)
    await harness.edit(FinishedAt=harness.clock.at(3 * DAY))
    assert _removed(0) == await _remove(harness, 7, delete=True)


async def test_remove_what_is_owed(harness: Harness) -> None:
    """A record whose outcome is not out stays until it is."""
    await _rejected(harness)
    harness.clock.advance(9 * DAY)
    await harness.add_due_row(0)
    assert _removed(0) == await _remove(harness, 7, delete=True)
    await harness.tick()
    assert _removed(1) == await _remove(harness, 7, delete=True)


async def test_remove_what_has_just_changed(proxied: Proxied) -> None:
    """A record that is written between reading and removing stays."""
    harness = proxied.harness
    await _rejected(harness)
    harness.clock.advance(9 * DAY)

    proxied.table.interrupt("DELETE ", lambda: _rerun(harness, REQUEST_ID))

    async with _through(proxied) as table:
        lines = await _all(remove(table, harness.clock(), 7, delete=True))

    assert lines == [f"left alone: {REQUEST_ID!r} has just changed", *_removed(0)]
    assert 2 == (await harness.record())["Run"]


@pytest.mark.parametrize(("columns", "fault"), BROKEN)
async def test_remove_what_cannot_be_read(
    harness: Harness, columns: dict[str, Any], fault: str
) -> None:
    """It stays and is named; the others go."""
    await _rejected(harness)
    harness.script(cancel=[REFUSED])
    await harness.submit(requestId=OTHER)
    await harness.edit(**columns)
    harness.clock.advance(9 * DAY)
    expected = [f"left alone: {_row()}{fault}", *_removed(1)]
    assert expected == await _remove(harness, 7, delete=True)
    assert [True, False] == [await harness.has_record(name) for name in (REQUEST_ID, OTHER)]


# The rejected queue.


async def _keep(harness: Harness, *texts: str) -> list[str]:
    """Keeps originals in the rejected queue; their ids."""
    await harness.services.rejected.ensure()
    await harness.services.requests.ensure()

    return [str((await _rejected_queue(harness).send_message(text)).id) for text in texts]


def _valid(harness: Harness, **fields: str) -> str:
    return json.dumps({"publisherId": PUBLISHER, "offerId": harness.offer, **fields})


async def _list(harness: Harness) -> list[list[str]]:
    lines = await _all(list_all(_rejected_queue(harness), harness.clock()))

    return [block.split("\n  ") for block in lines]


async def _put_back(harness: Harness, *ids: str) -> list[str]:
    return await _all(put_back(_rejected_queue(harness), harness.requests, ids))


async def _drop(harness: Harness, *ids: str) -> list[str]:
    return await _all(drop(_rejected_queue(harness), ids))


async def test_rejected_originals_are_listed(harness: Harness) -> None:
    """Each with its request id and all that is wrong with it; all can be seen again at once."""
    texts = [_valid(harness, requestId=REQUEST_ID), '{"offerId": "an-offer"}']
    ids = await _keep(harness, *texts)

    listed = {block[0]: block[1:] for block in await _list(harness)}

    first, second = (listed[message_id] for message_id in ids)
    assert (2, [REQUEST_ID, f"msg-{ids[1]}"]) == (len(listed), [first[0], second[0]])
    assert "a valid request" == first[2]
    assert "publisherId is missing" in second[2]
    assert texts == [first[3], second[3]]
    assert sorted(texts) == sorted(await harness.rejected())


async def test_more_originals_than_a_page_holds_are_listed(harness: Harness) -> None:
    """The newest is shown as well as the oldest, twice in a row."""
    ids = await _keep(harness, *(f"message {number}" for number in range(70)))

    first, second = await _list(harness), await _list(harness)

    assert [sorted(ids)] * 2 == [sorted(block[0] for block in blocks) for blocks in (first, second)]


async def test_an_empty_rejected_queue_is_said_to_be_empty(harness: Harness) -> None:
    """There is a line for it."""
    await _keep(harness)

    assert [["no message is to be seen"]] == await _list(harness)


async def test_an_original_writes_nothing_into_the_terminal(harness: Harness) -> None:
    """Control characters of a message are shown, not sent."""
    await _keep(harness, "no \x85 \u202e request")

    (block,) = await _list(harness)

    assert r"no \x85 \u202e request" == block[-1]


async def test_a_secret_in_an_original_is_masked_where_it_is_shown(harness: Harness) -> None:
    """The queue keeps the text as it came; the list does not show the token."""
    text = _valid(harness, requestId="Bearer abcdefghijklmnop")
    await _keep(harness, text)

    (block,) = await _list(harness)

    assert (False, True) == ("abcdefghijklmnop" in "".join(block), "Bearer ***" in block[-1])
    assert [text] == await harness.rejected()


async def test_an_original_is_put_back(harness: Harness) -> None:
    """The chosen message is delivered again, unchanged, and never expires; the other one stays."""
    texts = [_valid(harness, requestId=name) for name in (REQUEST_ID, OTHER)]
    _, second = await _keep(harness, *texts)
    harness.script(cancel=[Answer(200)])

    lines = await _put_back(harness, second)
    (message,) = await harness.peek(harness.requests)
    await harness.deliver()

    assert [f"{second} put back"] == lines
    assert message.expires_on is not None
    assert (texts[1], 9999) == (message.content, message.expires_on.year)
    assert "canceled" == (await harness.record(OTHER))["Status"]
    assert [texts[0]] == await harness.rejected()


async def test_an_original_without_an_id_stays_one_request(harness: Harness) -> None:
    """It is put back under the id of the kept message: sent twice, it posts once."""
    (kept,) = await _keep(harness, _valid(harness, correlationId="build-7"))
    harness.script(cancel=[Answer(200)])

    await _put_back(harness, kept)
    (text,) = await harness.waiting()
    await harness.requests.send_message(text)
    await harness.deliver()

    expected = {"requestId": f"msg-{kept}", "correlationId": "build-7", "offerId": harness.offer}
    assert {"publisherId": PUBLISHER, **expected} == json.loads(text)
    assert 1 == harness.count("cancel")
    assert "canceled" == (await harness.record(f"msg-{kept}"))["Status"]


async def test_an_invalid_original_that_is_put_back_is_the_same_event(harness: Harness) -> None:
    """It comes straight back, and its event carries the id that it had."""
    await harness.send('{"offerId": "an-offer"}')
    await harness.deliver()
    (block,) = await _list(harness)

    await _put_back(harness, block[0])
    await harness.deliver()

    assert 2 == len(await harness.outcomes())
    assert 1 == len({event["id"] for event in await harness.outcomes()})
    assert ['{"offerId": "an-offer"}'] == await harness.rejected()


async def test_originals_are_dropped(harness: Harness) -> None:
    """The chosen messages are gone, on whichever page they were; the others can be seen."""
    ids = await _keep(harness, *(f"message {number}" for number in range(40)))

    lines = await _drop(harness, ids[0], ids[39])

    assert {f"{ids[0]} dropped", f"{ids[39]} dropped"} == set(lines)
    assert sorted(ids[1:39]) == sorted(block[0] for block in await _list(harness))
    assert [] == await harness.waiting()


async def test_an_original_that_is_not_there_is_named(harness: Harness) -> None:
    """Nothing else is touched."""
    text = _valid(harness)
    await _keep(harness, text)

    lines = await _drop(harness, "nothing")

    hint = "try again in five minutes"
    assert [f"nothing is not there, or another command holds it: {hint}"] == lines
    assert [text] == await harness.rejected()


# The commands themselves.


async def test_lines_are_shown(capsys: pytest.CaptureFixture[str], harness: Harness) -> None:
    """What was done is printed, and the exit code says that it all was."""
    await _rejected(harness)
    done = await show(rerun(harness.table, harness.clock(), 24, [REQUEST_ID]))
    assert (0, f"{REQUEST_ID} runs again, run 2\n") == (done, capsys.readouterr().out)


class Typed:
    """Commands as they are typed, on the storage of a harness."""

    def __init__(
        self,
        harness: Harness,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self._storage = harness.around.azurite.connection_string
        self._name = harness.name
        self._monkeypatch, self._capsys = monkeypatch, capsys
        for module in (ops.rerun, ops.extend, ops.remove):
            monkeypatch.setattr(module, "open_table", self._table)
        monkeypatch.setattr(ops.rejected, "open_queues", self._queues)

    async def __call__(self, line: str) -> str:
        """What a command prints; it runs in an event loop of its own, and ends well."""
        name, *arguments = line.split()
        main = importlib.import_module(f"ops.{name}").main
        self._monkeypatch.setattr(sys, "argv", [name, *arguments])
        done, printed = await asyncio.to_thread(main), self._capsys.readouterr()
        assert (0, "") == (done, printed.err)
        return printed.out

    @asynccontextmanager
    async def _table(self) -> AsyncIterator[TableClient]:
        name = f"ledger{self._name}"
        async with TableClient.from_connection_string(self._storage, name) as table:
            yield table

    @asynccontextmanager
    async def _queues(self) -> AsyncIterator[tuple[QueueClient, QueueClient]]:
        names = [f"requests-{self._name}{suffix}" for suffix in ("-rejected", "")]
        make = QueueClient.from_connection_string
        rejected, requests = (make(self._storage, name) for name in names)
        async with rejected, requests:
            yield rejected, requests


@pytest.fixture
def typed(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Typed:
    """The commands on the harness's storage."""
    return Typed(harness, monkeypatch, capsys)


async def test_table_commands(harness: Harness, typed: Typed) -> None:
    """Their arguments mean what the runbook says."""
    await _rejected(harness)
    assert "0 would go" == (await typed("remove 30"))[:10]
    assert f"{REQUEST_ID} runs again, run 2\n" == await typed(f"rerun 24 {REQUEST_ID}")
    assert f"{REQUEST_ID} 20" == (await typed("extend 48"))[: len(REQUEST_ID) + 3]
    assert "" == await typed("extend 47")
    past = harness.clock.at(-8 * DAY)
    await harness.edit(Status="failed", FinishedAt=past, Deadline=past)
    (due_row,) = await harness.due_rows()
    await harness.table.delete_entity(RecordKey.of(REQUEST_ID).bucket, due_row)
    assert "1 removed" == (await typed("remove 1 --delete"))[:9]
    assert not await harness.has_record()


async def test_queue_commands(harness: Harness, typed: Typed) -> None:
    """A bare `rejected` lists; the others take ids."""
    first, *_ = await _keep(harness, "one", "two", "three")

    listed, again = await typed("rejected"), await typed("rejected list")

    assert 3 == listed.count("\n  msg-")
    assert sorted(listed.splitlines()) == sorted(again.splitlines())
    assert f"{first} put back\n" == await typed(f"rejected put-back {first}")
    assert (["one"], ["three", "two"]) == (
        await harness.waiting(),
        sorted(await harness.rejected()),
    )


async def test_dropping_command(harness: Harness, typed: Typed) -> None:
    """`drop` puts nothing on the request queue."""
    first, second = await _keep(harness, "one", "two")

    printed = await typed(f"rejected drop {first} {second}")

    assert f"{first} dropped\n{second} dropped\n" == printed
    assert ([], []) == (await harness.waiting(), await harness.rejected())


async def test_storage_fails_meanwhile(capsys: pytest.CaptureFixture[str]) -> None:
    """What was done until then is printed, and why it ends there."""

    async def lines() -> AsyncIterator[str]:
        yield "one"
        raise HttpResponseError("forbidden")

    done, printed = await show(lines()), capsys.readouterr()
    assert (1, "one\n", "stopped: forbidden\n") == (done, printed.out, printed.err)


def test_missing_variables_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them at once; an empty one is missing as well."""
    monkeypatch.setenv("LEDGER_TABLE", "ledger")
    monkeypatch.setenv("CANCEL_QUEUE", "")
    monkeypatch.delenv("REJECTED_QUEUE", raising=False)
    with pytest.raises(MissingVariableError, match="environment: CANCEL_QUEUE, REJECTED_QUEUE"):
        variables("LEDGER_TABLE", "CANCEL_QUEUE", "REJECTED_QUEUE")


async def test_storage_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The account, the table and the queues are those that the environment names."""
    for name in VARIABLES:
        monkeypatch.setenv(name, name.partition("_")[0].lower())
    async with open_table() as table, open_queues() as (rejected, requests):
        urls = [table.url, rejected.url, requests.url]
        names = [table.table_name, rejected.queue_name, requests.queue_name]
    host = "https://storage.{}.core.windows.net"
    places = [
        host.format("table"),
        f"{host.format('queue')}/rejected",
        f"{host.format('queue')}/cancel",
    ]
    assert (places, ["ledger", "rejected", "cancel"]) == (urls, names)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "soon", "1e9"])
def test_no_amount_of_time(text: str) -> None:
    """Hours and days are numbers above 0, and no slips."""
    with pytest.raises(argparse.ArgumentTypeError, match="above 0"):
        amount(text)


@pytest.mark.parametrize(
    "command",
    [
        pytest.param("rerun 24 r-1", id="rerun"),
        pytest.param("extend 48", id="extend"),
        pytest.param("remove 30 --delete", id="remove"),
        pytest.param("rejected", id="rejected"),
        pytest.param("rejected put-back some-id", id="put-back"),
        pytest.param("rejected drop some-id", id="drop"),
    ],
)
def test_commands_without_an_environment(command: str) -> None:
    """Each command of the runbook starts, and says what it misses before it does anything."""
    name, *arguments = command.split()
    done = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", f"ops.{name}", *arguments],
        cwd=ROOT, env={}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (1, "") == (done.returncode, done.stdout)
    assert "not in the environment: STORAGE_ACCOUNT_NAME, " in done.stderr
