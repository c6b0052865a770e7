"""One run: the stack comes up, the actors follow the plan, and what was seen is handed back.

Two hosts run the app at once, with the same settings and two timers: the ledger must hold without
a singleton.
"""

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path

from chaos.actors import Sender, Troublemaker
from chaos.logs import secrets_in, time_outs_in
from chaos.messages import EMAIL_DOMAIN
from chaos.observed import Observed
from chaos.plan import Plan
from chaos.simulation import SimulatedPortal, Simulation
from chaos.storage import open_storage
from chaos.watch import Watch
from local.portal.portal import Portal
from local.process import ChildProcess
from local.stack import Stack

# Minutes become seconds; what decides is the same. A lease is 18 s, taken over 5 s later.
SETTINGS = {
    "PARTNER_API_TIMEOUT_SECONDS": "1",
    "POLL_SCHEDULE": "* * * * * *",
    "POLL_GRACE_SECONDS": "10",
    "BACKOFF_FIRST_SECONDS": "0.5",
    "BACKOFF_MAX_SECONDS": "2",
}
_MESSAGE_LEASE_SECONDS = 3.0  # a dead host's messages come back after that
_HOSTS = 2


class _Run:
    def __init__(self, plan: Plan, directory: Path) -> None:
        self._plan = plan
        self._directory = directory
        self._start = time.monotonic()
        self._started = datetime.now(UTC)
        self._simulation = Simulation(plan, self._clock, lambda: datetime.now(UTC))

    def _clock(self) -> float:
        return time.monotonic() - self._start

    async def observe(self) -> Observed:
        stack = Stack(
            SETTINGS,
            with_host=False,
            directory=self._directory,
            location=self._directory / "storage",
            lease_seconds=_MESSAGE_LEASE_SECONDS,
            make_portal=lambda identity: SimulatedPortal(identity, self._simulation),
        )
        async with stack:
            hosts = [
                stack.add_host(self._directory / f"host-{number + 1}.log")
                for number in range(_HOSTS)
            ]
            await asyncio.gather(*(stack.start_host(host) for host in hosts))
            self._start, self._started = time.monotonic(), datetime.now(UTC)
            return await self._play(stack, hosts)

    async def _play(self, stack: Stack, hosts: list[ChildProcess]) -> Observed:
        plan, pending = self._plan, ""
        async with open_storage(stack.azurite.connection_string) as storage:
            sender = Sender(storage, self._clock)
            troublemaker = Troublemaker(stack, hosts, self._clock)
            watch = Watch(plan, storage, self._clock)
            texts = {r.request_id: r.text(self._started) for r in plan.requests}
            try:
                async with asyncio.timeout(plan.size.limit), asyncio.TaskGroup() as group:
                    acting = [
                        group.create_task(sender.run(plan, texts)),
                        group.create_task(troublemaker.run(plan)),
                    ]
                    guarding = group.create_task(troublemaker.watch())
                    await watch.run(lambda: all(task.done() for task in acting))
                    guarding.cancel()
            except TimeoutError:
                pending = watch.pending or "it was not quiet for long enough"
            seconds = self._clock()
        for host in hosts:
            await host.stop()
        logs = {host.log_path.name: host.log_path.read_text(errors="replace") for host in hosts}
        time_outs: dict[str, tuple[float, ...]] = {}
        for text in logs.values():
            for offer_id, moments in time_outs_in(text, self._started).items():
                time_outs[offer_id] = (*time_outs.get(offer_id, ()), *moments)
        return Observed(
            plan=plan,
            seconds=seconds,
            pending=pending,
            sent=tuple(sender.sent),
            ledger=watch.ledger,
            events=tuple(watch.events),
            rejected=tuple(watch.rejected),
            calls=tuple(self._simulation.calls),
            cancelled=frozenset(filter(self._simulation.is_cancelled, plan.offers)),
            refused=(*self._simulation.strays, *_refused(stack.portal)),
            kills=troublemaker.kills,
            troubles=tuple(troublemaker.troubles),
            time_outs=time_outs,
            rule_one=frozenset(watch.rule_one),
            secrets=tuple(
                place
                for name, text in logs.items()
                for place in secrets_in(name, text, EMAIL_DOMAIN)
            ),
        )


async def observe(plan: Plan, directory: Path) -> Observed:
    """Carry the plan out; the hosts' logs stay in the directory.

    RuntimeError: the stack did not come up, or a host ended by itself.
    """
    return await _Run(plan, directory).observe()


def _refused(portal: Portal) -> list[str]:
    """What the portal refused, but for revoked tokens."""
    return [call for call in portal.refused if ": 401 " not in call]
