"""Each call of storage gets each odd answer: it tells the truth or raises StorageError, soon."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from itertools import count

import aiohttp
import pytest
import pytest_asyncio

from offer_cancellation import transitions
from offer_cancellation.errors import StorageError
from offer_cancellation.ledger.keys import DueRow, RecordKey
from offer_cancellation.ledger.record import Record
from offer_cancellation.ledger.table import due_row
from offer_cancellation.services import Services
from tests.integration.harness import Harness
from tests.integration.odd_storage import Call, Fault, Oddity, OddSession, oddities, under

SOON = 10  # seconds of a busy machine


@dataclass(slots=True)
class Odd:
    """An app whose storage answers oddly, once there is a fault."""

    harness: Harness
    services: Services
    session: OddSession
    names: "count[int]"

    async def new(self, prefix: str = "r") -> Record:
        """A record that is claimed."""
        record = self.harness.new_record(f"{prefix}-{next(self.names)}")
        return (await self.services.ledger.insert(record)).record


@pytest_asyncio.fixture
async def odd(harness: Harness) -> AsyncIterator[Odd]:
    """The app, with a table and queues that are there."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        odd_session = OddSession(session)
        odd = Odd(harness, under(harness.services, odd_session), odd_session, count())
        await odd.new()
        for queue in (odd.services.requests, odd.services.rejected):
            await queue.ensure()
        await harness.give_up("a copy")
        yield odd
        odd_session.fault = None
        await odd.services.close()


# One call each: what it is asked for, and whether the answer is true.


async def _insert(odd: Odd, fault: Fault) -> bool:
    record = odd.harness.new_record(f"i-{next(odd.names)}")
    odd.session.fault = fault
    try:
        inserted = await odd.services.ledger.insert(record)
    finally:
        odd.session.fault = None
        again = await odd.services.ledger.insert(record)
        await odd.harness.check_rule_1(record.request_id)
    return inserted.is_new and not again.is_new and inserted.record.etag == again.record.etag


async def _save(odd: Odd, fault: Fault) -> bool:
    before = await odd.new()
    odd.session.fault = fault
    try:
        saved = await odd.services.ledger.save(
            before, transitions.deferred(before, odd.harness.clock.at(60))
        )
    finally:
        odd.session.fault = None
        await odd.harness.check_rule_1(before.request_id)
    return saved == await odd.services.ledger.find(RecordKey.of(before.request_id))


async def _remove(odd: Odd, fault: Fault) -> bool:
    record = await odd.new()
    row = due_row(record)
    assert row
    odd.session.fault = fault
    odd.services.ledger.remove_soon(row)
    await odd.services.ledger.flush()
    odd.session.fault = None
    odd.services.ledger.remove_soon(row)
    await odd.services.ledger.flush()
    return await odd.harness.due_rows(record.request_id) == []


async def _create_table(odd: Odd, fault: Fault) -> bool:
    await odd.harness.table.delete_table()
    return await _insert(odd, fault)


async def _get_record(odd: Odd, fault: Fault) -> bool:
    record = await odd.new()
    odd.session.fault = fault
    return await odd.services.ledger.find(RecordKey.of(record.request_id)) == record


async def _get_due_row(odd: Odd, fault: Fault) -> bool:
    record = await odd.new()
    odd.session.fault = fault
    return await odd.services.ledger.has_due_row(record)


async def _query(odd: Odd, fault: Fault) -> bool:
    record = await odd.new()
    expected, ledger = due_row(record), odd.services.ledger
    assert expected
    odd.session.fault = fault
    far = odd.harness.clock.at(10**6)
    rows: list[DueRow] = [row async for row in ledger.due_rows(expected.bucket, far)]
    return expected in rows


async def _delete_record(odd: Odd, fault: Fault) -> bool:
    record = await odd.new()
    odd.session.fault = fault
    await odd.services.ledger.remove(record)
    return not await odd.harness.has_record(record.request_id) or not fault.is_carried_out


async def _send_request(odd: Odd, fault: Fault) -> bool:
    odd.session.fault = fault
    await odd.services.requests.send("a text")
    return True


async def _send_rejected(odd: Odd, fault: Fault) -> bool:
    odd.session.fault = fault
    await odd.services.rejected.keep("a text")
    return True


async def _create_queue(odd: Odd, fault: Fault) -> bool:
    odd.session.fault = fault
    await odd.services.requests.ensure()
    return True


async def _count(odd: Odd, fault: Fault) -> bool:
    odd.session.fault = fault
    return await odd.services.poison.depth() > 0


async def _receive(odd: Odd, fault: Fault) -> bool:
    await odd.harness.give_up("a copy")
    odd.session.fault = fault
    copies = await odd.services.poison.receive(300)
    return all((copy.text, copy.receipts) == ("a copy", 1) for copy in copies)


async def _hide(odd: Odd, fault: Fault) -> bool:
    await odd.harness.give_up("a copy")
    (copy, *_) = await odd.services.poison.receive(300)
    odd.session.fault = fault
    await odd.services.poison.hide(copy, 300)
    return True


async def _delete_copy(odd: Odd, fault: Fault) -> bool:
    await odd.harness.give_up("a copy")
    (copy, *_) = await odd.services.poison.receive(300)
    odd.session.fault = fault
    await odd.services.poison.delete(copy)
    return True


CALLS: dict[Call, Callable[[Odd, Fault], Awaitable[bool]]] = {
    Call.INSERT: _insert,
    Call.SAVE: _save,
    Call.REMOVE: _remove,
    Call.CREATE_TABLE: _create_table,
    Call.GET_RECORD: _get_record,
    Call.GET_DUE_ROW: _get_due_row,
    Call.QUERY: _query,
    Call.DELETE_RECORD: _delete_record,
    Call.SEND_REQUEST: _send_request,
    Call.SEND_REJECTED: _send_rejected,
    Call.CREATE_QUEUE: _create_queue,
    Call.COUNT: _count,
    Call.RECEIVE: _receive,
    Call.HIDE: _hide,
    Call.DELETE_COPY: _delete_copy,
}


async def _verdict(odd: Odd, call: Call, fault: Fault) -> str | None:
    """What is wrong with a call under a fault; None when nothing is."""
    try:
        async with asyncio.timeout(SOON):
            is_true = await CALLS[call](odd, fault)
    except StorageError:
        is_true = True
    except Exception as error:
        return f"raised {error!r}"
    finally:
        odd.session.fault = None

    if not is_true:
        return "told what is not so"

    return None if fault.given else "never got the odd answer"


@pytest.mark.parametrize("is_carried_out", [True, False], ids=["carried out", "not carried out"])
@pytest.mark.parametrize("call", list(CALLS))
async def test_odd_answers(odd: Odd, call: Call, is_carried_out: bool) -> None:
    """The caller learns the truth or gets a StorageError, and nobody waits for ever."""
    wrong = dict[str, str]()
    given: dict[str, Oddity] = oddities(call)

    for name, oddity in given.items():
        fault = Fault(call, [oddity], is_carried_out)
        if verdict := await _verdict(odd, call, fault):
            wrong[name] = verdict

    assert {} == wrong
