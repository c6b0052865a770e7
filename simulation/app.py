"""The real app, composed for one simulated process: the one place that knows how that is done."""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache, partial
from random import Random
from typing import Any

import httpx
from azure.functions.queue import QueueMessage

from cancel_trigger.message import Message
from cancel_trigger.submission import handle
from offer_cancellation.outside import Outside
from offer_cancellation.services import make_services
from offer_cancellation.settings import Settings, load
from poll_timer import maintenance
from poll_timer import tick as tick_module
from poll_timer.tick import tick
from simulation import api, identity
from simulation.sessions import Session
from simulation.storage import queues
from simulation.transports import AzureTransport, Exchange

QUEUE_HOST, TABLE_HOST = "simulated.queue.example", "simulated.table.example"
REQUESTS, OUTCOMES, TABLE = "cancel-requests", "cancel-outcomes", "cancellations"
POISON, REJECTED = f"{REQUESTS}-poison", f"{REQUESTS}-rejected"


@cache
def settings(**given: str) -> Settings:
    """The app's settings in a simulated world, with these by name."""
    return load(
        {
            "CANCEL_STORAGE__queueServiceUri": f"https://{QUEUE_HOST}",
            "CANCEL_STORAGE__tableServiceUri": f"https://{TABLE_HOST}",
            "CANCEL_STORAGE__credential": "managedidentity",
            "PARTNER_API_URL": api.URL,
            **given,
        }
    )


@contextmanager
def environment() -> Iterator[None]:
    """The identity endpoint's address, where the credential looks for it."""
    names = [n for n in os.environ if n.startswith(("IDENTITY_", "MSI_", "AZURE_"))]
    before = {name: os.environ.pop(name) for name in names}
    os.environ.update(identity.ENVIRONMENT)
    try:
        yield
    finally:
        for name in identity.ENVIRONMENT:
            del os.environ[name]
        os.environ.update(before)


@contextmanager
def only_partitions(names: str) -> Iterator[None]:
    """Within the block, ticks read these partitions alone: empty ones would cost most of the time.

    A quarter of all seeds has the whole layout.
    """
    modules: list[Any] = [tick_module, maintenance]
    before = [module.BUCKETS for module in modules]
    for module in modules:
        module.BUCKETS = names
    try:
        yield
    finally:
        for module, whole in zip(modules, before, strict=True):
            module.BUCKETS = whole


@cache
def _ssl_context() -> Any:
    return httpx.create_ssl_context()


class App:
    """One process of the app: its two functions, as the Functions worker calls them."""

    def __init__(
        self,
        given: Settings,
        clock: Callable[[], datetime],
        jitter: Random,
        exchange: Exchange,
    ) -> None:
        session: Any = partial(Session, exchange)
        outside = Outside(
            azure=AzureTransport(exchange),
            session=session,
            ssl_context=_ssl_context,
            steady_clock=lambda: clock().timestamp(),
        )
        self._services = make_services(given, clock, jitter.random, outside)
        self._clock = clock

    async def handle(self, message: queues.Message) -> None:
        """One delivery of a queue message."""
        received = QueueMessage(  # type: ignore[no-untyped-call]
            id=message.id,
            body=message.text,
            dequeue_count=message.dequeue_count,
            insertion_time=datetime.fromtimestamp(int(message.inserted_at), UTC),
            pop_receipt=message.receipt,
        )
        await handle(Message.received(received, self._clock()), self._services)

    async def tick(self) -> None:
        """One run of the timer's function."""
        await tick(self._services)
        await asyncio.sleep(0)
