"""Messages on their whole way: from a failing host, or one that was away, to their one end."""

import dataclasses
import json
from typing import Any

import pytest
from azure.functions.queue import QueueMessage

from local.portal.script import Answer
from offer_cancellation.errors import StorageError
from offer_cancellation.ledger.record import Record
from tests.integration.faulty_proxy import Proxied
from tests.integration.harness import PUBLISHER, REQUEST_ID, Harness

HOUR = 3600
DELIVERIES = 5  # then the host gives a message up


def request(harness: Harness, **fields: object) -> str:
    """The text of a good request."""
    return json.dumps({"publisherId": PUBLISHER, "offerId": harness.offer, **fields})


async def carry_on(harness: Harness) -> None:
    """Ticks and deliveries until a request has ended."""
    for _ in range(3):
        await harness.tick_after(60)
        await harness.deliver()


async def test_a_table_outage_poisons_nothing_for_good(proxied: Proxied) -> None:
    """Five deliveries fail, the host gives up; the table comes back, and it is canceled once."""
    harness, text = proxied.harness, request(proxied.harness, requestId=REQUEST_ID)
    harness.script(cancel=[Answer(200)])
    await harness.requests.create_queue()
    proxied.table.down = True
    for deliveries in range(1, DELIVERIES + 1):
        message = QueueMessage(  # type: ignore[no-untyped-call]
            id="m-1", body=text, dequeue_count=deliveries, insertion_time=harness.clock()
        )
        with pytest.raises(StorageError):
            await harness.handle(message)
    await harness.give_up(text)
    proxied.table.down = False

    await carry_on(harness)

    await harness.ends("canceled")
    assert (1, []) == (harness.count("cancel"), await harness.rejected())
    assert 0 == await harness.services.poison.depth()


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param({"dequeuecount": "many"}, id="a count that is none"),
        pytest.param({"insertiontime": "soon"}, id="a time that is none"),
        pytest.param({"expirationtime": 12}, id="a number for a time"),
        pytest.param({"popreceipt": None, "id": "1"}, id="a null"),
    ],
)
async def test_a_valid_event_that_cannot_be_delivered(
    harness: Harness, attributes: dict[str, object]
) -> None:
    """Extension attributes named like a queue's metadata stop the host, not the request."""
    harness.script(cancel=[Answer(200)])
    data = {"publisherId": PUBLISHER, "offerId": harness.offer}
    event = {"specversion": "1.0", "source": "/s", "type": "t", "id": "1", "data": data}
    await harness.give_up(json.dumps({**event, **attributes}))

    await carry_on(harness)

    assert "canceled" == (await harness.outcome())["status"]
    assert 1 == harness.count("cancel")


async def test_a_pause_of_a_day_hides_nothing(harness: Harness) -> None:
    """The first tick after 25 h settles what was given up before it, forty in front or not."""
    for number in range(40):
        await harness.give_up(f"no JSON {number}")
    await harness.give_up(request(harness, requestId=REQUEST_ID))
    harness.clock.advance(25 * HOUR)

    assert {"adopted": 41} == await harness.tick()
    await harness.tick()

    ends = [event["data"]["status"] for event in await harness.all_outcomes()]
    assert (40, 1) == (ends.count("rejected"), ends.count("expired"))
    assert 0 == await harness.services.poison.depth()


async def test_a_copy_of_what_is_being_worked_on(harness: Harness) -> None:
    """A claim without an end is the ledger's: its copy changes nothing, and goes."""
    await harness.die_posting()
    await harness.requests.clear_messages()
    etag = await harness.etag()
    await harness.give_up(request(harness, requestId=REQUEST_ID))

    assert {"adopted": 1} == await harness.tick()

    await harness.holds("submitting")
    assert etag == await harness.etag()
    assert 0 == await harness.services.poison.depth()


class _Stumbling:
    """A ledger with a bug that one request brings out."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def insert(self, record: Record) -> Any:
        """Raises for that request."""
        if record.request_id == "bad":
            raise ZeroDivisionError
        return await self._real.insert(record)


async def test_a_bug_in_one_copy_stops_no_other(harness: Harness) -> None:
    """Even where the bug meets its end, too: that copy is left, and the original kept."""
    working, stumbling = harness.services, _Stumbling(harness.services.ledger)
    ledger: Any = stumbling
    harness.services = dataclasses.replace(working, ledger=ledger)
    bad = request(harness, requestId="bad")
    await harness.give_up(bad)
    await harness.give_up(request(harness, requestId="good"))

    results = await harness.tick()
    harness.services = working

    assert {"adopted": 1} == results
    assert await harness.has_record("good")
    assert [bad] == await harness.rejected()
    assert 1 == await harness.services.poison.depth()


async def test_an_old_copy_of_an_unreadable_record(harness: Harness) -> None:
    """Whatever its age, the record decides, once somebody can read it: no end is told."""
    harness.accept(Answer(200, {"status": "running"}))
    await harness.submit()
    await harness.edit(Attempts="many")
    await harness.give_up(request(harness, requestId=REQUEST_ID))
    harness.clock.advance(6 * 24 * HOUR + 60)

    assert {"adopted": 1} == {k: n for k, n in (await harness.tick()).items() if k == "adopted"}

    assert [] == await harness.outcomes()
    assert 0 == await harness.services.poison.depth()


async def test_another_tick_was_faster_before_it_was_read(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    """A copy that is gone when it is to be hidden longer is done: no failure, no second event."""
    await harness.give_up("no JSON")
    (copy,) = await harness.services.poison.receive(60)
    await harness.services.poison.hide(copy, 0)
    real = harness.services.poison

    class _Late:
        async def receive(self, hidden_seconds: int) -> list[Any]:
            copies = await real.receive(hidden_seconds)
            for one in copies:
                await real.delete(one)
            return copies

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

    poison: Any = _Late()
    working = harness.services
    harness.services = dataclasses.replace(working, poison=poison)

    await harness.tick()
    harness.services = working

    assert [] == await harness.outcomes()
    assert "adoption.failed" not in {record.getMessage() for record in caplog.records}
