"""How a tick ends a request: the final record first, then its event, then the due row goes."""

import asyncio

import pytest

from local.portal.script import Answer, Fault
from offer_cancellation import transitions
from offer_cancellation.errors import StorageError
from offer_cancellation.ledger.keys import RecordKey
from offer_cancellation.status import Ending, Status
from tests.integration.faulty_proxy import Loss, Proxied
from tests.integration.harness import FIRST_WAIT, REQUEST_ID, Harness, MakeHarness, timeout_for

RUNNING = Answer(200, {"status": "running"})
MANY = 20  # more than the SDK tries; aiohttp itself repeats a GET or a DELETE once
DONE = Answer(200, {"status": "completed"})


async def owe(harness: Harness) -> None:
    """A timer died between the final record and its event: the due row is still there."""
    harness.accept(DONE)
    await harness.submit()
    harness.clock.advance(FIRST_WAIT)
    record = await harness.services.ledger.find(RecordKey.of(REQUEST_ID))
    assert record is not None
    final = transitions.finished(record, harness.clock(), Ending(Status.CANCELED))
    await harness.services.ledger.save(record, final)
    assert 1 == len(await harness.due_rows())


async def test_an_outcome_still_owed_is_sent_by_the_next_tick(harness: Harness) -> None:
    """The due row stays until the event is sent; nothing is polled again."""
    await owe(harness)

    assert {"reported": 1} == await harness.tick()

    data = await harness.ends("canceled")
    assert (0, 0) == (data["polls"], harness.count("operation"))
    assert {} == await harness.tick()


async def test_an_outcome_still_owed_is_sent_by_a_message(harness: Harness) -> None:
    """Whoever meets a final record that has a due row sends its event and deletes the row."""
    await owe(harness)

    await harness.submit()

    await harness.ends("canceled")
    assert 1 == harness.count("cancel")


async def test_a_due_row_that_outlives_its_event_repeats_it(proxied: Proxied) -> None:
    """The row could not be deleted: the same event once more, and then the row goes."""
    harness = proxied.harness
    harness.accept(DONE)
    await harness.submit()
    proxied.table.lose_after("POST ", 1, Loss.REQUEST)
    proxied.table.lose("POST ", Loss.REQUEST, times=MANY)
    assert {"canceled": 1} == await harness.tick_after(FIRST_WAIT)
    proxied.table.heal()

    assert {"reported": 1} == await harness.tick()

    await harness.ends("canceled", events=2)


async def test_ticks_at_once_end_a_request_once(
    harness: Harness, make_harness: MakeHarness
) -> None:
    """Two processes' timers: one writes the end, and repeats of the event are the same."""
    harness.accept(Answer(200, {"status": "completed"}, delay_seconds=0.1))
    await harness.submit()
    harness.clock.advance(FIRST_WAIT)
    other = make_harness(like=harness)

    came_to = await asyncio.gather(harness.tick(), other.tick())

    assert 1 == sum(one["canceled"] for one in came_to)
    await harness.ends("canceled", events=len(await harness.outcomes()))


@pytest.mark.parametrize(
    "answer",
    [RUNNING, Answer(503), Answer(404), Answer(200, "<p>soon</p>"), Answer(fault=Fault.HANG)],
    ids=lambda answer: str(answer.fault or answer.status),
)
async def test_at_the_deadline_one_last_poll_and_then_expired(
    make_harness: MakeHarness, answer: Answer
) -> None:
    """The next poll is never later than the deadline, and it is the last."""
    harness = make_harness(**timeout_for(answer))
    harness.accept(RUNNING, answer)
    await harness.submit(expiresAt=harness.clock.at(30).isoformat())
    await harness.tick_after(FIRST_WAIT)
    assert await harness.due_at(30)

    assert {"expired": 1} == await harness.tick_after(30 - FIRST_WAIT)

    data = await harness.ends("expired", "DeadlinePassed")
    assert (2, 202, "running") == (data["polls"], data["httpStatus"], data["operationStatus"])
    assert 2 == harness.count("operation")


@pytest.mark.parametrize(("word", "status"), [("completed", "canceled"), ("failed", "failed")])
async def test_the_last_poll_can_still_end_it_well(
    harness: Harness, word: str, status: str
) -> None:
    """What the API says counts, even when the tick comes long after the deadline."""
    harness.accept(Answer(200, {"status": word}))
    await harness.submit(expiresAt=harness.clock.at(10).isoformat())
    assert await harness.due_at(10)

    await harness.tick_after(86400)

    code = "OperationFailed" if status == "failed" else None
    assert 1 == (await harness.ends(status, code))["polls"]


async def test_the_last_poll_waits_for_the_end_of_a_pause(harness: Harness) -> None:
    """A poll that may not be sent is none: it follows when the API can be asked again."""
    harness.accept(DONE)
    await harness.submit(requestId="r-1", expiresAt=harness.clock.at(10).isoformat())
    harness.script(cancel=[Answer(429, headers={"Retry-After": "60"})], operation=[DONE])
    await harness.submit(requestId="other")

    await harness.tick_after(10)
    await harness.holds("accepted", Polls=0)

    await harness.tick_after(600)
    assert "canceled" == (await harness.record())["Status"]
    await harness.check_rule_1()


async def test_a_tick_raises_when_due_rows_cannot_be_read(proxied: Proxied) -> None:
    """After three tries; what is due stays due."""
    harness = proxied.harness
    harness.accept(DONE)
    await harness.submit()
    harness.clock.advance(FIRST_WAIT)
    proxied.table.down = True

    with pytest.raises(StorageError):
        await harness.tick()

    proxied.table.down = False
    assert {"canceled": 1} == await harness.tick()
    await harness.ends("canceled")


async def test_one_bucket_that_cannot_be_read_does_not_stop_the_others(proxied: Proxied) -> None:
    """The rest of the tick is done first; then it raises."""
    harness = proxied.harness
    names = [f"r-{index}" for index in range(1, 41)]
    harness.accept(DONE)
    for name in names:
        await harness.send(None, requestId=name)
    while await harness.deliver():
        pass
    harness.clock.advance(FIRST_WAIT)
    bucket = (await harness.record())["PartitionKey"]
    proxied.table.lose(f"PartitionKey eq '{bucket}'", Loss.REQUEST, times=MANY)

    with pytest.raises(StorageError):
        await harness.tick()

    proxied.table.heal()
    buckets = {name: (await harness.record(name)) for name in names}
    left = {name for name, record in buckets.items() if record["Status"] == "accepted"}
    assert left == {name for name, record in buckets.items() if record["PartitionKey"] == bucket}
    await harness.tick()
    assert len({event["id"] for event in await harness.all_outcomes()}) == len(names)
