"""The app's two functions between a real Azurite, a scripted portal and an identity endpoint.

A test has queues, a table, an offer and a clock of its own; what it knows of the app it reads
where an operator would: in the queues and in the table.
"""

import asyncio
import base64
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

import azure.functions as func
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.data.tables.aio import TableServiceClient
from azure.functions.queue import QueueMessage
from azure.storage.queue import QueueMessage as StoredMessage
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from cancel_trigger.message import Message
from cancel_trigger.submission import handle
from local.azurite import Azurite
from local.identity import Identity
from local.portal.portal import Portal
from local.portal.script import Answer, Fault, Kind, Script, Seen
from offer_cancellation.clock import rfc3339
from offer_cancellation.services import Services, make_services
from offer_cancellation.settings import load
from poll_timer.tick import tick
from tests.integration.fake_clock import FakeClock
from tests.integration.ledger_view import FINAL, LEASE, PUBLISHER, REQUEST_ID, LedgerView

__all__ = [
    "FINAL",
    "FIRST_WAIT",
    "LEASE",
    "OPERATION",
    "PUBLISHER",
    "REQUEST_ID",
    "SHORT_TIMEOUT",
    "Harness",
    "MakeHarness",
    "Surroundings",
    "timeout_for",
]

OPERATION = "56615b67-2185-49fe-80d2-c4ddf77bb2e8"
FIRST_WAIT = 22.5  # seconds: the first backoff at the default settings and a jitter of 0.5
# Where a call has to time out; elsewhere it has 100 s, which no busy machine takes.
SHORT_TIMEOUT = {"PARTNER_API_TIMEOUT_SECONDS": "2"}
_HIDDEN_SECONDS = 300
_PAGE = 32


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all tests share; the two service clients are the tests' own."""

    azurite: Azurite
    identity: Identity
    portal: Portal
    queues: QueueServiceClient
    tables: TableServiceClient


MakeHarness = Callable[..., "Harness"]
"""Settings by name; `like` a harness: one more process of the same app."""


def timeout_for(answer: Answer) -> dict[str, str]:
    """The settings for an answer of the portal: a short time-out where it hangs."""
    return SHORT_TIMEOUT if answer.fault is Fault.HANG else {}


class Harness(LedgerView):
    """One app with settings of its own, on queues and a table that no other test has."""

    def __init__(
        self, around: Surroundings, settings: Mapping[str, str], like: "Harness | None" = None
    ) -> None:
        self.name: str = like.name if like else uuid4().hex[:16]
        name = self.name
        table = around.tables.get_table_client(f"ledger{name}")
        super().__init__(table, like.clock if like else FakeClock(), f"offer-{name}")
        self.around = around
        self.base = f"/api/publishers/{PUBLISHER}/offers/{self.offer}"
        self.location = f"{self.base}/operations/{OPERATION}?api-version=2017-10-31"
        self.requests: QueueClient = around.queues.get_queue_client(f"requests-{name}")
        self._outcomes = around.queues.get_queue_client(f"outcomes-{name}")
        self._poison = around.queues.get_queue_client(f"requests-{name}-poison")
        self._rejected = around.queues.get_queue_client(f"requests-{name}-rejected")
        self._inserted: dict[str, datetime] = {}
        self._refused = len(around.portal.refused)
        environment = {
            "CANCEL_STORAGE": around.azurite.connection_string,
            "PARTNER_API_URL": around.portal.url,
            "CANCEL_QUEUE": f"requests-{name}",
            "OUTCOME_QUEUE": f"outcomes-{name}",
            "LEDGER_TABLE": f"ledger{name}",
            **settings,
        }
        self.services: Services = make_services(
            load(environment), clock=self.clock, jitter=lambda: 0.5
        )

    async def close(self) -> None:
        """Closes the app's clients; what the portal refused and no test asked for is an error."""
        self.around.identity.down = False
        await self.services.close()
        assert [] == self.refused()

    # The outside: the portal and the queue's producers.

    def script(self, **answers: list[Answer]) -> None:
        """What the portal answers for the test's offer, a list for each kind of call."""
        self.around.portal.script(self.offer, Script(**answers), PUBLISHER)

    def accept(self, *operation: Answer) -> None:
        """The portal answers the POST with 202 and a location, which then reads as given."""
        accepted = Answer(202, headers={"Location": self.location})
        self.script(cancel=[accepted], operation=list(operation))

    def count(self, kind: Kind) -> int:
        """How many calls of a kind the portal acted on for the test's offer."""
        return self.around.portal.count(kind, self.offer, PUBLISHER)

    def seen(self, kind: Kind | None = None) -> list[Seen]:
        """The calls for the test's offer, in order."""
        return [
            seen
            for seen in self.around.portal.seen
            if seen.offer_id == self.offer and kind in (None, seen.kind)
        ]

    def refused(self) -> list[str]:
        """What the portal refused since this was asked last: calls that break its contract."""
        first, self._refused = self._refused, len(self.around.portal.refused)
        return self.around.portal.refused[first:]

    async def send(self, text: str | None = None, **fields: object) -> str:
        """Puts a message on the request queue: the text, or a good request with these fields."""
        request = {"publisherId": PUBLISHER, "offerId": self.offer, "requestId": REQUEST_ID}
        await self._create(self.requests)
        sent = await self.requests.send_message(text or json.dumps({**request, **fields}))
        self._inserted[str(sent.id)] = self.clock()
        return str(sent.id)

    # What the Functions host does.

    async def give_up(self, text: str) -> str:
        """Copies a text to the poison queue, where it lives for seven days; the copy's id."""
        try:
            await self._poison.create_queue()
        except ResourceExistsError:
            pass
        copy = await self._poison.send_message(text, time_to_live=7 * 24 * 3600)
        return str(copy.id)

    async def die_posting(self, **fields: object) -> None:
        """A worker dies while its POST is under way: acted on, no answer read, nothing written."""
        self.script(cancel=[Answer(fault=Fault.HANG)])
        posted = self.count("cancel")
        await self.send(None, **fields)
        delivery = asyncio.create_task(self.deliver())
        await self.until(lambda: self.count("cancel") > posted)
        delivery.cancel()
        await asyncio.wait([delivery])
        assert delivery.cancelled()

    @asynccontextmanager
    async def delivering(self) -> AsyncIterator[None]:
        """A delivery goes on during the block, which ends when it has."""
        delivery = asyncio.create_task(self.deliver())
        try:
            yield
        finally:
            await delivery

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits for something that another task brings about."""
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - the portal sets no event
                await asyncio.sleep(0.01)

    async def deliver(self) -> int:
        """Delivers what is visible on the request queue, as the host does; how many that was.

        A message is deleted when its function returns; else it stays, visible again, and the
        function's first exception leaves here.
        """
        faults: list[Exception] = []
        messages = [
            message
            async for message in self.requests.receive_messages(
                messages_per_page=_PAGE, visibility_timeout=_HIDDEN_SECONDS
            )
        ]
        for message in messages:
            try:
                await self.handle(self.trigger_input(message))
            except Exception as fault:
                faults.append(fault)
                await self.requests.update_message(message, visibility_timeout=0)
            else:
                await self.requests.delete_message(message)
        await self.services.ledger.flush()
        if faults:
            raise faults[0]
        return len(messages)

    async def handle_one(self) -> None:
        """One invocation for the message that is visible; what is to be removed may wait."""
        (message,) = [message async for message in self.requests.receive_messages()]
        await self.handle(self.trigger_input(message))

    async def handle(self, message: func.QueueMessage) -> None:
        """One invocation of the queue-triggered function."""
        await handle(Message.received(message, self.clock()), self.services)

    def trigger_input(self, message: StoredMessage) -> func.QueueMessage:
        """What the function is called with for a message, inserted by the test's clock."""
        inserted_at = self._inserted.setdefault(str(message.id), self.clock())
        return QueueMessage(  # type: ignore[no-untyped-call]
            id=message.id,
            body=str(message.content),
            dequeue_count=message.dequeue_count,
            expiration_time=message.expires_on,
            insertion_time=inserted_at,
            time_next_visible=message.next_visible_on,
            pop_receipt=message.pop_receipt,
        )

    async def submit(self, **fields: object) -> None:
        """Sends a good request with these fields, and delivers it."""
        await self.send(None, **fields)
        await self.deliver()

    async def tick(self) -> Counter[str]:
        """One invocation of the timer-triggered function."""
        return await tick(self.services)

    async def tick_after(self, seconds: float) -> Counter[str]:
        """The same, so much later."""
        self.clock.advance(seconds)
        return await self.tick()

    # What came of it.

    async def outcomes(self) -> list[dict[str, Any]]:
        """The events on the outcome queue, oldest first."""
        return [json.loads(base64.b64decode(text, validate=True)) for text in await self._texts()]

    async def all_outcomes(self) -> list[dict[str, Any]]:
        """Takes every event off the outcome queue, however many."""
        return [
            json.loads(base64.b64decode(message.content))
            async for message in self._outcomes.receive_messages(
                messages_per_page=_PAGE, visibility_timeout=_HIDDEN_SECONDS
            )
        ]

    async def outcome(self) -> dict[str, Any]:
        """The data of the only event there is."""
        (event,) = await self.outcomes()
        data: dict[str, Any] = event["data"]
        return data

    def event_id(self, status: str, run: int = 1) -> str:
        """The id of the event of the request that was sent at the test's start."""
        return f"{REQUEST_ID}:{rfc3339(self.clock.start)}:{run}:{status}"

    async def sizes(self) -> list[int]:
        """How many bytes of JSON the events have."""
        return [len(base64.b64decode(text)) for text in await self._texts()]

    async def poison(self) -> list[str]:
        """The texts of the copies that can be seen in the poison queue."""
        return [str(message.content) for message in await self.peek(self._poison)]

    async def rejected(self) -> list[str]:
        """The originals in the rejected queue."""
        return [str(message.content) for message in await self.peek(self._rejected)]

    async def waiting(self) -> list[str]:
        """The texts on the request queue."""
        return [str(message.content) for message in await self.peek(self.requests)]

    async def lifetimes(self) -> set[int]:
        """The years in which outcomes and rejected originals expire."""
        messages = [*await self.peek(self._outcomes), *await self.peek(self._rejected)]
        return {message.expires_on.year for message in messages if message.expires_on}

    async def ends(self, status: str, code: str | None = None, events: int = 1) -> dict[str, Any]:
        """Checks that the request is at rest with that status, its event sent; the event's data."""
        record = await self.record()
        await self.check_rule_1()
        sent = await self.outcomes()
        assert (status, code) == (record["Status"], record.get("ErrorCode"))
        assert events == len(sent)
        assert 1 == len({(event["source"], event["id"]) for event in sent})
        data: dict[str, Any] = sent[-1]["data"]
        assert (status, code) == (data["status"], data.get("error", {}).get("code"))
        return data

    async def holds(self, status: str, **columns: object) -> dict[str, Any]:
        """Checks that the request is under way with that status and columns; its record."""
        record = await self.record()
        await self.check_rule_1()
        assert {"Status": status, **columns} == {
            name: record.get(name) for name in ("Status", *columns)
        }
        assert [] == await self.outcomes()
        return record

    async def peek(self, queue: QueueClient) -> list[StoredMessage]:
        """The visible messages of a queue, which may not exist."""
        try:
            return list(await queue.peek_messages(_PAGE))
        except ResourceNotFoundError:
            return []

    async def _texts(self) -> list[str]:
        return [str(message.content) for message in await self.peek(self._outcomes)]

    async def _create(self, queue: QueueClient) -> None:
        if not self._inserted:
            await queue.create_queue()
