"""What the host gave up is taken into the ledger by the next tick: nothing is left behind."""

import asyncio
import dataclasses
import json
import logging
from typing import Any

import pytest

from local.portal.script import Answer
from offer_cancellation.errors import StorageError
from offer_cancellation.storage import Copy, PoisonQueue
from poll_timer.adoption import adopt_given_up
from poll_timer.sends import Sends
from tests.integration.faulty_proxy import Proxied
from tests.integration.harness import PUBLISHER, REQUEST_ID, Harness, MakeHarness

DAY = 24 * 3600


def valid(harness: Harness, **fields: object) -> str:
    """The text of a good request."""
    return json.dumps({"publisherId": PUBLISHER, "offerId": harness.offer, **fields})


async def carry_on(harness: Harness) -> None:
    """A tick puts back what is due, and the trigger takes it."""
    await harness.tick()
    await harness.deliver()
    await harness.tick()


async def test_a_valid_copy_is_submitted(harness: Harness) -> None:
    """It becomes a deferred, due record: a tick puts it back, and it is posted once."""
    harness.script(cancel=[Answer(200)])
    await harness.give_up(valid(harness, requestId=REQUEST_ID))

    results = await harness.tick()
    await harness.holds("deferred", Attempts=0, Uncertain=False)
    await carry_on(harness)

    assert {"adopted": 1} == results
    assert 1 == (await harness.ends("canceled"))["attempts"]
    assert [] == await harness.poison()


async def test_a_copy_without_an_id_gets_one(harness: Harness) -> None:
    """The id follows from the copy, under which it was never claimed."""
    harness.script(cancel=[Answer(200)])
    copy_id = await harness.give_up(valid(harness))

    await harness.tick()
    await carry_on(harness)

    assert f"msg-{copy_id}" == (await harness.outcome())["requestId"]
    assert 1 == harness.count("cancel")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"publisherId": "contoso", "dequeueCount": "many"}', id="unknown fields"),
        pytest.param("no JSON", id="no JSON"),
        pytest.param('{"dequeueCount": null}', id="what could have been delivered"),
    ],
)
async def test_an_invalid_copy_is_rejected(harness: Harness, text: str) -> None:
    """As the trigger does it: one event, and the original in the rejected queue, unchanged."""
    await harness.give_up(text)

    await harness.tick()
    await harness.tick()

    data = await harness.outcome()
    assert ("rejected", "InvalidRequest") == (data["status"], data["error"]["code"])
    assert ([text], []) == (await harness.rejected(), await harness.poison())
    assert [] == await harness.rows()


async def test_an_invalid_message_has_one_id(harness: Harness) -> None:
    """Whether the trigger or a tick rejects a text, it is the same event."""
    await harness.send("no JSON")
    await harness.deliver()
    await harness.give_up("no JSON")

    await harness.tick()

    events = await harness.outcomes()
    assert (2, 1) == (len(events), len({(event["source"], event["id"]) for event in events}))


async def test_valid_events_with_hostile_attributes_run(harness: Harness) -> None:
    """A CloudEvent whose attributes hide the queue's metadata cannot be delivered, but runs."""
    harness.script(cancel=[Answer(200)])
    data = {"publisherId": PUBLISHER, "offerId": harness.offer}
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": data,
             "dequeuecount": "many", "insertiontime": "soon"}  # fmt: skip
    await harness.give_up(json.dumps(event))

    await harness.tick()
    await carry_on(harness)

    assert "canceled" == (await harness.outcome())["status"]


async def test_a_copy_of_a_finished_request(harness: Harness) -> None:
    """Its event may not have been sent: it is sent again, with the same id."""
    harness.script(cancel=[Answer(200)])
    await harness.submit()
    await harness.give_up(valid(harness, requestId=REQUEST_ID))

    await harness.tick()

    await harness.ends("canceled", events=2)
    assert [] == await harness.poison()


async def test_a_copy_of_a_pending_request(harness: Harness) -> None:
    """The ledger has it: the copy goes, and nothing else happens."""
    harness.accept(Answer(200, {"status": "running"}))
    await harness.submit()
    await harness.give_up(valid(harness, requestId=REQUEST_ID))

    await harness.tick()

    await harness.holds("accepted")
    assert ([], []) == (await harness.poison(), await harness.rejected())


async def test_a_copy_with_the_id_of_another_request(harness: Harness) -> None:
    """The same id with another offer is an invalid message."""
    harness.script(cancel=[Answer(200)])
    await harness.submit()
    text = json.dumps(
        {"publisherId": PUBLISHER, "offerId": "another-offer", "requestId": REQUEST_ID}
    )
    await harness.give_up(text)

    await harness.tick()

    events = await harness.outcomes()
    assert ["canceled", "rejected"] == [event["data"]["status"] for event in events]
    assert "RequestIdReused" == events[1]["data"]["error"]["code"]
    assert [text] == await harness.rejected()


async def test_many_copies_hide_no_new_one(harness: Harness) -> None:
    """Forty copies are settled in one tick."""
    for number in range(40):
        await harness.give_up(f"no JSON {number}")

    results = await harness.tick()

    assert {"adopted": 40} == results
    assert 40 == len({event["id"] for event in await harness.all_outcomes()})


async def test_an_old_valid_copy_expires(harness: Harness) -> None:
    """After a pause of two days it is inserted all the same, and ends at its deadline."""
    await harness.give_up(valid(harness, requestId=REQUEST_ID))
    harness.clock.advance(2 * DAY)

    await harness.tick()
    await harness.tick()

    await harness.ends("expired", "DeadlinePassed")


@pytest.mark.parametrize("is_valid", [True, False])
async def test_a_copy_of_six_days_is_kept(harness: Harness, is_valid: bool) -> None:
    """It kills its reader, or storage failed for days: it ends before the host's copy vanishes."""
    text = valid(harness, requestId=REQUEST_ID) if is_valid else "no JSON"
    await harness.give_up(text)
    harness.clock.advance(6 * DAY + 60)

    await harness.tick()

    data = await harness.outcome()
    assert ("failed", "InternalError") == (data["status"], data["error"]["code"])
    assert ([text], []) == (await harness.rejected(), await harness.poison())
    assert is_valid == await harness.has_record()


async def test_an_old_copy_of_a_known_request(harness: Harness) -> None:
    """Its record decides, whatever the copy's age: no second end is told."""
    harness.script(cancel=[Answer(200)])
    await harness.submit()
    await harness.give_up(valid(harness, requestId=REQUEST_ID))
    harness.clock.advance(6 * DAY + 60)

    await harness.tick()

    await harness.ends("canceled")
    assert [] == await harness.poison()


async def test_an_unreadable_record_decides(harness: Harness) -> None:
    """A copy of a request whose row was edited is no reason to end it."""
    harness.accept(Answer(200, {"status": "running"}))
    await harness.submit()
    await harness.edit(Attempts="many")
    await harness.give_up(valid(harness, requestId=REQUEST_ID))

    await harness.tick()

    assert ([], [], []) == (
        await harness.poison(), await harness.outcomes(), await harness.rejected()
    )  # fmt: skip


async def test_nothing_is_adopted_while_the_ledger_is_away(proxied: Proxied) -> None:
    """Not even read: what could be done with it?"""
    await proxied.harness.give_up("no JSON")
    proxied.table.down = True

    with pytest.raises(StorageError):
        await proxied.harness.tick()

    assert ["no JSON"] == await proxied.harness.poison()


async def test_a_copy_stays_while_its_event_cannot_be_sent(
    harness: Harness, make_harness: MakeHarness
) -> None:
    """It is hidden for a minute, and comes back."""
    no_queue = make_harness(like=harness, OUTCOME_QUEUE="x" * 63)
    away: Any = _Away(no_queue.services.outcomes)
    no_queue.services = dataclasses.replace(no_queue.services, outcomes=away)
    await harness.give_up("no JSON")

    await no_queue.tick()

    assert ([], []) == (await harness.outcomes(), await harness.rejected())
    assert 1 == await harness.services.poison.depth()


class _Away:
    """Outcomes that nothing can be sent to."""

    def __init__(self, real: Any) -> None:
        self._real = real

    async def send_refusal(self, *_: object) -> None:
        """Fails as a queue that is away does."""
        raise StorageError("away", 503)

    async def close(self) -> None:
        """Closes the real ones."""
        await self._real.close()


class _Noted:
    """The poison queue, which notes how long a copy is hidden, and shows it again at once."""

    def __init__(self, real: PoisonQueue, hidden: list[int]) -> None:
        self._real, self._hidden = real, hidden

    async def receive(self, hidden_seconds: int) -> list[Copy]:
        """Receives, and shows the copies again."""
        copies = await self._real.receive(hidden_seconds)
        for copy in copies:
            await self._real.hide(copy, 0)
        return copies

    async def hide(self, _: Copy, seconds: int) -> bool:
        """Notes how long."""
        self._hidden.append(seconds)
        return True


async def test_two_ticks_at_once(harness: Harness, make_harness: MakeHarness) -> None:
    """No copy is settled twice in a way that shows: one record, one POST, one id."""
    harness.script(cancel=[Answer(200)])
    other = make_harness(like=harness)
    for number in range(10):
        await harness.give_up(valid(harness, requestId=f"twice-{number}"))

    await asyncio.gather(harness.tick(), other.tick())
    await carry_on(harness)

    assert 10 == harness.count("cancel")
    assert 10 == len({event["id"] for event in await harness.all_outcomes()})


async def test_a_spent_receipt_is_no_fault(harness: Harness, caplog: Any) -> None:
    """Another tick received and deleted the copy meanwhile: it is done."""
    await harness.give_up("no JSON")
    (copy,) = await harness.services.poison.receive(60)
    await harness.services.poison.delete(copy)

    with caplog.at_level(logging.WARNING):
        await harness.services.poison.delete(copy)

    assert 0 == await harness.services.poison.depth()


async def test_a_copy_is_hidden_longer_each_time(harness: Harness) -> None:
    """One minute, two, four, at most an hour: a copy that kills its reader does so more rarely."""
    await harness.give_up("no JSON")
    hidden: list[int] = []
    away: Any = _Away(harness.services.outcomes)
    noted: Any = _Noted(harness.services.poison, hidden)
    no_outcomes = dataclasses.replace(harness.services, outcomes=away, poison=noted)

    for _ in range(8):
        await adopt_given_up(no_outcomes, Sends("outcomes"))

    assert [120, 240, 480, 960, 1920, 3600, 3600] == hidden


async def test_adopted_is_logged(harness: Harness, caplog: pytest.LogCaptureFixture) -> None:
    """With its request id: with telemetry on, nothing else tells of a failed delivery."""
    caplog.set_level(logging.WARNING)
    await harness.give_up(valid(harness, requestId=REQUEST_ID))

    await harness.tick()

    adopted = [record for record in caplog.records if record.getMessage() == "adoption.adopted"]
    assert [REQUEST_ID] == [getattr(record, "requestId", None) for record in adopted]


async def test_the_copies_expire_the_originals_do_not(harness: Harness) -> None:
    """What the app keeps never vanishes."""
    await harness.give_up("no JSON")

    await harness.tick()

    assert {9999} == await harness.lifetimes()
