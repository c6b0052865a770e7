"""The app in Microsoft's worker, between a real Azurite, a portal and an identity endpoint.

What a test knows of the app it reads where an operator would: in the queues and in the table.
"""

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables.aio import TableServiceClient
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from local.azurite import Azurite
from local.identity import Identity
from local.portal.portal import Portal
from local.portal.script import Answer, Script
from tests.conformance.payloads import queue_metadata, timer_request
from tests.conformance.protos import TypedData
from tests.conformance.worker import Invocation, Worker

ROOT = Path(__file__).resolve().parent.parent.parent
PUBLISHER = "contoso"
SETTINGS = {
    "CANCEL_QUEUE": "conformance-requests",
    "OUTCOME_QUEUE": "conformance-outcomes",
    "LEDGER_TABLE": "conformance",
    "POLL_SCHEDULE": "*/10 * * * * *",
    "BACKOFF_FIRST_SECONDS": "0",
    "BACKOFF_MAX_SECONDS": "0",
    "WEBSITE_SITE_NAME": "conformance",
}
_OURS = ("CANCEL_", "OUTCOME_", "LEDGER_", "POLL_", "BACKOFF_", "PARTNER_",
         "IDENTITY_", "MSI_", "AZURE_", "WEBSITE_", "PYTHON_")  # fmt: skip
_PAGE = 32


@dataclass(frozen=True, slots=True)
class Site:
    """The worker, and everything around it."""

    worker: Worker
    azurite: Azurite
    identity: Identity
    portal: Portal
    requests: QueueClient
    outcomes: QueueClient
    rejected: QueueClient
    tables: TableServiceClient

    async def send(self, text: str) -> QueueMessage:
        """Puts a text on the request queue and receives it, as the host does."""
        await self.requests.send_message(text)
        (message,) = await self.receive()
        assert text == message.content
        return message

    async def receive(self) -> list[QueueMessage]:
        """Receives what is visible on the request queue."""
        pages = self.requests.receive_messages(messages_per_page=_PAGE, visibility_timeout=300)
        return [message async for message in pages]

    async def deliver(self, message: QueueMessage) -> Invocation:
        """One invocation of the queue-triggered function; done, the message is deleted."""
        data = TypedData(string=message.content)
        result = await self.worker.invoke("cancel_trigger", data, queue_metadata(message))
        if result.succeeded:
            await self.requests.delete_message(message)
        return result

    async def submit(self, text: str) -> None:
        """Sends a text and has it handled."""
        assert Invocation(succeeded=True) == await self.deliver(await self.send(text))

    async def tick(self, request: TypedData | None = None) -> None:
        """One invocation of the timer-triggered function, which must succeed."""
        # Due rows count in whole milliseconds.
        await asyncio.sleep(0.01)
        result = await self.worker.invoke("poll_timer", request or timer_request())
        assert result == Invocation(succeeded=True)

    def offer(self, *cancel: Answer, operation: tuple[Answer, ...] = ()) -> str:
        """A new offer, and what the portal answers for it."""
        offer = f"offer-{uuid4().hex[:16]}"
        self.portal.script(offer, Script(cancel=cancel, operation=operation), PUBLISHER)
        return offer

    async def record(self, offer: str) -> dict[str, Any]:
        """The only record of an offer."""
        table = self.tables.get_table_client(SETTINGS["LEDGER_TABLE"])
        rows = table.query_entities("OfferId eq @offer", parameters={"offer": offer})
        (record,) = [dict(row) async for row in rows]
        return record

    async def take_events(self) -> list[dict[str, Any]]:
        """The events on the outcome queue, which is empty then."""
        taken = []
        try:
            async for message in self.outcomes.receive_messages(messages_per_page=_PAGE):
                taken.append(json.loads(base64.b64decode(message.content, validate=True)))
                await self.outcomes.delete_message(message)
        except ResourceNotFoundError:
            return []
        return taken


def request(offer: str, **fields: object) -> str:
    """The text of a valid request."""
    named = {"publisherId": PUBLISHER, "offerId": offer, "requestId": f"r-{offer}"}
    return json.dumps({**named, **fields})


@asynccontextmanager
async def open_site(directory: Path) -> AsyncIterator[Site]:
    """Starts everything and indexes the app; its settings are in the environment meanwhile."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        azurite = await enter(Azurite(location=directory))  # on disk: it can be restarted
        identity = await enter(Identity())
        portal = await enter(Portal(identity))
        environment = stack.enter_context(pytest.MonkeyPatch.context())
        for name in [name for name in os.environ if name.startswith(_OURS)]:
            environment.delenv(name)
        places = {
            "CANCEL_STORAGE": azurite.connection_string,
            "PARTNER_API_URL": portal.url,
            **identity.environment,
        }
        for name, value in {**SETTINGS, **places}.items():
            environment.setenv(name, value)
        storage = azurite.connection_string
        queues = await enter(QueueServiceClient.from_connection_string(storage))
        tables = await enter(TableServiceClient.from_connection_string(storage))
        requests = queues.get_queue_client(SETTINGS["CANCEL_QUEUE"])
        await requests.create_queue()
        worker = await Worker.start(ROOT)
        yield Site(
            worker,
            azurite,
            identity,
            portal,
            requests,
            queues.get_queue_client(SETTINGS["OUTCOME_QUEUE"]),
            queues.get_queue_client(f"{SETTINGS['CANCEL_QUEUE']}-rejected"),
            tables,
        )
        from offer_cancellation.services import services  # noqa: PLC0415 - not before it is indexed

        await (await services()).close()
