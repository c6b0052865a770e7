"""Everything that the two functions share at run time, made once for an event loop.

The Functions host has no start-up or shutdown hook: the first invocation makes the clients, and
they live as long as the process.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from weakref import WeakKeyDictionary

from offer_cancellation.backoff import Backoff, Jitter
from offer_cancellation.clock import utc_now
from offer_cancellation.credential import Credentials
from offer_cancellation.ledger.table import Ledger
from offer_cancellation.log import quiet_libraries
from offer_cancellation.once import Once
from offer_cancellation.outcome import Outcomes
from offer_cancellation.portal.client import Portal
from offer_cancellation.settings import Settings, settings
from offer_cancellation.storage import OutQueue, PoisonQueue, ledger_table, queue_client


@dataclass(frozen=True, slots=True)
class Clients:
    """The settings and what talks to the outside, with the clock and the jitter they use."""

    settings: Settings
    credentials: Credentials
    ledger: Ledger
    portal: Portal
    outcomes: Outcomes
    requests: OutQueue
    poison: PoisonQueue
    backoff: Backoff
    clock: Callable[[], datetime]
    once: Once = field(default_factory=Once)

    async def close(self) -> None:
        """Closes every connection."""
        for client in (self.ledger, self.portal, self.outcomes, self.requests, self.poison):
            await client.close()
        await self.credentials.close()


def make_clients(
    given: Settings,
    clock: Callable[[], datetime] = utc_now,
    jitter: Jitter = random.random,
) -> Clients:
    """Makes the clients for the running event loop."""
    quiet_libraries()
    credentials = Credentials()
    backoff = Backoff(given.backoff_first, given.backoff_max, jitter)
    outcome_queue = OutQueue(queue_client(given, credentials, given.outcome_queue))
    return Clients(
        settings=given,
        credentials=credentials,
        ledger=Ledger(ledger_table(given, credentials)),
        portal=Portal(given, credentials.of(given.api_client_id), backoff, clock),
        outcomes=Outcomes(outcome_queue, given.site_name),
        requests=OutQueue(queue_client(given, credentials, given.cancel_queue)),
        poison=PoisonQueue(queue_client(given, credentials, given.poison_queue)),
        backoff=backoff,
        clock=clock,
    )


_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Clients] = WeakKeyDictionary()


def clients() -> Clients:
    """The clients of the running event loop, made at the first call."""
    loop = asyncio.get_running_loop()
    if loop not in _by_loop:
        _by_loop[loop] = make_clients(settings())
    return _by_loop[loop]
