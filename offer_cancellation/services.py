"""Makes everything that the two functions share at run time, once for an event loop.

The Functions host has no start-up or shutdown hook: the first invocation makes the services, and
they live as long as the process.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from weakref import WeakKeyDictionary

from offer_cancellation.backoff import Backoff, Jitter
from offer_cancellation.clock import utc_now
from offer_cancellation.credential import Credentials
from offer_cancellation.ledger.table import Ledger
from offer_cancellation.log import quiet_libraries
from offer_cancellation.outcome import Outcomes
from offer_cancellation.outside import OUTSIDE, Outside
from offer_cancellation.portal.client import Portal
from offer_cancellation.reported_once import ReportedOnce
from offer_cancellation.settings import Settings, settings
from offer_cancellation.storage import (
    PoisonQueue,
    RejectedQueue,
    SendQueue,
    ledger_table,
    queue_client,
)


@dataclass(frozen=True, slots=True)
class Services:
    """The settings, what talks to the outside, and the clock and the jitter that all use."""

    settings: Settings
    credentials: Credentials
    ledger: Ledger
    portal: Portal
    outcomes: Outcomes
    requests: SendQueue
    rejected: RejectedQueue
    poison: PoisonQueue
    backoff: Backoff
    clock: Callable[[], datetime]
    reported_once: ReportedOnce = field(default_factory=ReportedOnce)

    async def close(self) -> None:
        """Closes every connection."""
        for service in (
            self.ledger,
            self.portal,
            self.outcomes,
            self.requests,
            self.rejected,
            self.poison,
        ):
            await service.close()
        await self.credentials.close()


def make_services(
    given: Settings,
    clock: Callable[[], datetime] = utc_now,
    jitter: Jitter = random.random,
    outside: Outside = OUTSIDE,
) -> Services:
    """Makes the services for the running event loop."""
    quiet_libraries()
    credentials = Credentials(outside.azure, outside.steady_clock)
    backoff = Backoff(given.backoff_first, given.backoff_max, jitter)

    def send_queue(name: str) -> SendQueue:
        return SendQueue(queue_client(given, credentials, name, outside.azure))

    return Services(
        settings=given,
        credentials=credentials,
        ledger=Ledger(ledger_table(given, credentials, outside.azure)),
        portal=Portal(given, credentials.of(given.api_client_id), backoff, clock, outside),
        outcomes=Outcomes(send_queue(given.outcome_queue), given.source),
        requests=send_queue(given.cancel_queue),
        rejected=RejectedQueue(
            queue_client(given, credentials, given.rejected_queue, outside.azure)
        ),
        poison=PoisonQueue(queue_client(given, credentials, given.poison_queue, outside.azure)),
        backoff=backoff,
        clock=clock,
    )


_Lifetime = AsyncGenerator[None, None]
_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[Services, _Lifetime]] = (
    WeakKeyDictionary()
)


async def services() -> Services:
    """The services of the running event loop, made at the first call."""
    loop = asyncio.get_running_loop()
    if loop not in _by_loop:
        made = make_services(settings())
        lifetime = _close_with_the_loop(made)
        _by_loop[loop] = made, lifetime
        await anext(lifetime)

    return _by_loop[loop][0]


async def _close_with_the_loop(made: Services) -> _Lifetime:
    """A loop that is shut down finishes its generators: the only hook there is at a stop."""
    try:
        yield
    finally:
        await made.close()
