"""Events that could not be sent: never lost, sent ever more rarely, and no reason to post again."""

import dataclasses
from typing import Any, cast

import pytest

from local.portal.script import Answer
from offer_cancellation.errors import StorageError
from offer_cancellation.ledger.record import Record
from tests.integration.faulty_proxy import Proxied
from tests.integration.harness import FIRST_WAIT, REQUEST_ID, Harness

DAY = 24 * 3600
DONE = Answer(200, {"status": "completed"})
MANY = 60  # more than a tick works on at a time
AT_ONCE = 32
TRIES = 3  # of a storage client


class _Choosy:
    """Outcomes that refuse the events of some requests, in a way of their own."""

    def __init__(self, real: Any, fault: Exception, *refused: str) -> None:
        self._real, self._fault, self._refused = real, fault, refused

    async def send(self, record: Record) -> None:
        """Raises for these requests."""
        if record.request_id in self._refused:
            raise self._fault
        await self._real.send(record)


AWAY = StorageError("away", 503)


def refuse(harness: Harness, fault: Exception, *request_ids: str) -> None:
    """The events of these requests cannot be sent."""
    outcomes: Any = _Choosy(harness.services.outcomes, fault, *request_ids)
    harness.services = dataclasses.replace(harness.services, outcomes=outcomes)


async def accepted(harness: Harness, *request_ids: str) -> None:
    """Accepted requests whose next poll ends them."""
    harness.accept(DONE)
    for request_id in request_ids:
        await harness.submit(requestId=request_id)


async def test_an_owed_event_is_tried_ever_more_rarely(harness: Harness) -> None:
    """Each wait is about as long as all before it; then it is sent, once."""
    await accepted(harness, REQUEST_ID)
    working = harness.services
    refuse(harness, AWAY, REQUEST_ID)
    assert {"canceled": 1} == await harness.tick_after(FIRST_WAIT)
    waits, waited = list[int](), 0
    while len(waits) < 6:
        waited += 30
        if (await harness.tick_after(30)).get("owed"):
            waits.append(waited)
            waited = 0
    harness.services = working

    assert {"reported": 1} == await harness.tick_after(3600)

    assert [30, 30, 60, 120, 240, 480] == waits
    assert (1, 1) == (harness.count("cancel"), harness.count("operation"))
    await harness.ends("canceled")


async def test_an_event_is_owed_for_days(harness: Harness) -> None:
    """Tried no more than an hour apart, and never lost."""
    await accepted(harness, REQUEST_ID)
    working = harness.services
    refuse(harness, AWAY, REQUEST_ID)
    await harness.tick_after(FIRST_WAIT)
    assert {"owed": 1} == await harness.tick_after(3 * DAY)
    harness.services = working

    assert {} == await harness.tick_after(3599)
    assert {"reported": 1} == await harness.tick_after(1)

    await harness.ends("canceled")


async def test_a_message_meets_an_owed_event(harness: Harness) -> None:
    """A repeat of the message sends the event, and posts nothing."""
    harness.script(cancel=[Answer(200)])
    working = harness.services
    refuse(harness, AWAY, REQUEST_ID)
    await harness.submit()
    assert ([], 1) == (await harness.outcomes(), len(await harness.due_rows()))
    harness.services = working

    await harness.submit()

    assert 1 == harness.count("cancel")
    await harness.ends("canceled")


async def test_a_place_that_is_away_is_not_tried_again_in_a_tick(proxied: Proxied) -> None:
    """After the first failure only due rows move on: no request for each of the others."""
    harness = proxied.harness
    names = [f"r-{number}" for number in range(MANY)]
    await accepted(harness, *names)
    proxied.queue.down = True
    await harness.tick_after(FIRST_WAIT)
    proxied.queue.requests.clear()

    assert {"owed": MANY} == await harness.tick_after(3600)

    sends = [name for name in proxied.queue.requests if "outcomes-" in name]
    assert 0 < len(sends) <= AT_ONCE * TRIES < MANY * TRIES
    for name in names[:3]:
        assert 1 == len(await harness.due_rows(name))
    proxied.queue.down = False
    assert {"reported": MANY} == await harness.tick_after(3600)
    assert MANY == len({event["id"] for event in await harness.all_outcomes()})


@pytest.mark.parametrize(
    ("fault", "are_sent"),
    [
        pytest.param(StorageError("too large", 413), True, id="refused"),
        pytest.param(StorageError("bad", 400), True, id="refused, too"),
        pytest.param(ZeroDivisionError(), True, id="a bug"),
        pytest.param(StorageError("away", 503), False, id="away"),
        pytest.param(StorageError("no role", 403), False, id="no role"),
    ],
)
async def test_one_event_that_is_refused(
    harness: Harness, fault: Exception, are_sent: bool
) -> None:
    """It moves on alone; only an outage stops the sends of a tick, for all."""
    await accepted(harness, "bad", "good")
    working = harness.services
    refuse(harness, fault, "bad", "good")
    await harness.tick_after(FIRST_WAIT)
    harness.services = working
    refuse(harness, fault, "bad")
    for _ in range(2):  # whichever of the two comes first
        await harness.tick_after(3600)
    harness.services = working

    events = [event["data"]["requestId"] for event in await harness.outcomes()]
    owed = await harness.due_rows("bad")
    await harness.tick_after(3600)

    if are_sent:
        assert ["good"] == events
    assert 1 == len(owed)
    assert {"bad", "good"} == {e["data"]["requestId"] for e in await harness.outcomes()}
    assert 2 == harness.count("cancel")


async def test_a_stray_row_of_an_ended_request_does_not_speed_it_up(harness: Harness) -> None:
    """While its event is owed, one row owes it: a stray one goes."""
    await accepted(harness, REQUEST_ID)
    working = harness.services
    refuse(harness, AWAY, REQUEST_ID)
    await harness.tick_after(FIRST_WAIT)
    await harness.add_due_row(1)

    assert {"owed": 1} == await harness.tick()

    assert 1 == len(await harness.due_rows())
    assert {} == await harness.tick_after(29)
    harness.services = working
    await harness.tick_after(1)
    await harness.ends("canceled")


async def test_the_rejected_queue_is_another_place(harness: Harness) -> None:
    """Originals that cannot be kept stop no event: only their copies wait."""

    class _Full:
        async def keep(self, _: str) -> None:
            raise StorageError("no role", 403)

    await accepted(harness, REQUEST_ID)
    await harness.give_up("no JSON")
    working, rejected = harness.services, cast("Any", _Full())
    harness.services = dataclasses.replace(harness.services, rejected=rejected)
    harness.accept(Answer(200, {"status": "completed"}, delay_seconds=1))

    results = await harness.tick_after(FIRST_WAIT)
    harness.services = working

    assert {"canceled": 1} == results
    statuses = [event["data"]["status"] for event in await harness.outcomes()]
    assert ["canceled", "rejected"] == sorted(statuses)
    assert [] == await harness.due_rows()
