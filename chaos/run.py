"""One run: the stack comes up, the actors follow the plan, and what was seen is handed back.

Two hosts run the app at once, with the same settings and two timers: the ledger must hold without
a singleton.
"""

import asyncio
import logging
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from chaos.actors import Sender, Troublemaker
from chaos.logs import secrets_in, time_outs_in, tokens_in
from chaos.messages import EMAIL_DOMAIN
from chaos.observed import Observed
from chaos.plan import Plan
from chaos.simulation import SimulatedPortal, Simulation
from chaos.stack import ChaosStack
from chaos.storage import Storage, open_storage
from chaos.storage_proxy import Oddity, Proxies, open_proxies
from chaos.watch import Watch
from local.portal.portal import Portal
from local.process import ChildProcess
from local.stack import Stack

_logger = logging.getLogger(__name__)

_HOSTS = 2
_TELL_SECONDS = 15


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
        plan = self._plan
        stack = ChaosStack(
            self._directory, lambda identity: SimulatedPortal(identity, self._simulation)
        )
        async with (
            stack,
            open_proxies(
                stack.azurite.queue_uri, stack.azurite.table_uri, self._clock, self._odd_answer
            ) as proxies,
            open_storage(stack.azurite.connection_string) as storage,
        ):
            through_proxies = proxies.connection_string(stack.azurite.connection_string)
            hosts = [
                stack.add_app(
                    self._directory / f"host-{number + 1}.log",
                    plan.clocks_apart * number,
                    through_proxies,
                )
                for number in range(_HOSTS)
            ]
            await asyncio.gather(*(stack.start_host(host) for host in hosts))
            self._start, self._started = time.monotonic(), datetime.now(UTC)
            return await self._play(stack, hosts, proxies, storage)

    async def _play(
        self, stack: Stack, hosts: list[ChildProcess], proxies: Proxies, storage: Storage
    ) -> Observed:
        plan, pending = self._plan, ""
        sender = Sender(storage, self._clock)
        watch = Watch(plan, storage, self._clock)

        async def empty_and_delete(queue: str) -> None:
            """Nothing is sent meanwhile, so that nothing is lost with it."""
            async with proxies.queue.held():
                await watch.collect()
                await storage.delete_queue(queue)

        troublemaker = Troublemaker(stack, hosts, empty_and_delete, self._clock)
        if isinstance(stack.portal, SimulatedPortal):
            stack.portal.kill_caller = troublemaker.kill_worker
        for request in plan.requests:
            if request.deaths is not None:
                await storage.leave_behind(request, datetime.now(UTC))
        texts = {r.request_id: r.text(self._started) for r in plan.requests}
        try:
            async with asyncio.timeout(plan.size.limit), asyncio.TaskGroup() as group:
                acting = [
                    group.create_task(sender.run(plan, texts)),
                    group.create_task(troublemaker.run(plan)),
                ]
                guarding = group.create_task(troublemaker.watch())
                telling = group.create_task(self._tell(watch))
                await watch.run(lambda: all(task.done() for task in acting))
                guarding.cancel()
                telling.cancel()
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
            odd_answers=proxies.odd,
            rule_one=frozenset(watch.rule_one),
            secrets=tuple(_secrets(logs, watch)),
            cookies=tuple(
                f"{seen.method} {seen.path}"
                for seen in stack.portal.seen
                if any(name.lower() == "cookie" for name in seen.headers)
            ),
            poison=watch.poison,
        )

    def _odd_answer(self, service: str, number: int) -> Oddity | None:
        is_early = self._clock() < self._plan.odd_until
        return self._plan.odd_answer(service, number) if is_early else None

    async def _tell(self, watch: Watch) -> None:
        """Say where the run is, a few times a minute."""
        while True:
            await asyncio.sleep(_TELL_SECONDS)
            _logger.info("%3.0f s: waiting for %s", self._clock(), watch.pending or "the end")


def _secrets(logs: Mapping[str, str], watch: Watch) -> Iterator[str]:
    """Where one is found: in a log, a record, an event."""
    for name, text in logs.items():
        yield from secrets_in(name, text, EMAIL_DOMAIN)

    for record in watch.ledger.records.values():
        yield from tokens_in(f"record {record.request_id}", str(record.columns))

    for event in watch.events:
        yield from tokens_in(f"event {event.id}", str(event.body))


async def observe(plan: Plan, directory: Path) -> Observed:
    """Carry the plan out; the hosts' logs stay in the directory.

    RuntimeError: the stack did not come up, or a host ended by itself.
    """
    return await _Run(plan, directory).observe()


def _refused(portal: Portal) -> list[str]:
    """What the portal refused, but for revoked tokens."""
    return [call for call in portal.refused if ": 401 " not in call]
