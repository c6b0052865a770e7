"""Those who do something to the stack: the sender, and the troublemaker.

They follow the plan by the clock and note what they did and when.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import psutil
from azure.core.exceptions import AzureError

from chaos.messages import Invalid, Request
from chaos.observed import Sent, Trouble
from chaos.plan import Deletion, Kill, Outage, Plan
from chaos.storage import Storage
from local.host.host import STARTED
from local.process import ChildProcess
from local.stack import Stack

Clock = Callable[[], float]
"""Seconds from the start."""

_SEND_AGAIN_SECONDS = 0.2


async def until(moment: float, clock: Clock) -> None:
    """Sleep until then, not at all when it has passed."""
    await asyncio.sleep(max(0.0, moment - clock()))


class Sender:
    """Puts every message on the queue when its time has come, however long the storage is away."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self.sent: list[Sent] = []
        self._storage = storage
        self._clock = clock

    async def run(self, plan: Plan, texts: dict[str, str]) -> None:
        """Send all; `texts` holds those of the requests by their ids."""
        async with asyncio.TaskGroup() as group:
            for request in filter(lambda request: request.deaths is None, plan.requests):
                text, name = texts[request.request_id], request.offer_id
                group.create_task(self._send(request, text, name))
            for invalid in plan.invalid:
                group.create_task(self._send(invalid, invalid.text, invalid.text))

    async def _send(self, message: Request | Invalid, text: str, name: str) -> None:
        for moment in (message.at, message.again_at):
            if moment is not None:
                await until(moment, self._clock)
                message_id = await self._put(text)
                is_valid = isinstance(message, Request)
                self.sent.append(Sent(self._clock(), message_id, name, is_valid))

    async def _put(self, text: str) -> str:
        while True:
            try:
                return await self._storage.send(text)
            except AzureError:
                await asyncio.sleep(_SEND_AGAIN_SECONDS)


def _workers(host: ChildProcess) -> list[psutil.Process]:
    try:
        return psutil.Process(host.pid).children() if host.running else []
    except psutil.NoSuchProcess:
        return []


async def _until_up(host: ChildProcess) -> None:
    """It may have ended by itself: then it is started again, and not to be killed before."""
    while True:
        log = host.log_path.read_text(errors="replace")
        ended = max(log.rfind(" host.given_up "), log.rfind(" host.storage_lost "))
        if host.running and log.rfind(f" {STARTED} ") > ended:
            return

        await asyncio.sleep(_SEND_AGAIN_SECONDS)


class Troublemaker:
    """Kills hosts, takes services away and gives them back."""

    def __init__(
        self,
        stack: Stack,
        hosts: Sequence[ChildProcess],
        empty_and_delete: Callable[[str], Awaitable[None]],
        clock: Clock,
    ) -> None:
        self.troubles: list[Trouble] = []
        self.kills = 0
        self._stack = stack
        self._hosts = hosts
        self._empty_and_delete = empty_and_delete
        self._clock = clock
        self._up = [asyncio.Lock() for _ in hosts]

    async def run(self, plan: Plan) -> None:
        """Do all that is planned. RuntimeError: a host ended by itself, or does not start."""
        async with asyncio.TaskGroup() as group:
            for kill in plan.kills:
                group.create_task(self._kill(kill))
            for moment in plan.revocations:
                group.create_task(self._revoke(moment))
            group.create_task(self._identity_outage(plan.identity_outage))
            group.create_task(self._portal_outage(plan.portal_outage))
            group.create_task(self._delete_queue(plan.deletion))
            if plan.storage_restart:
                group.create_task(self._storage_restart(plan.storage_restart))

    async def watch(self) -> None:
        """Say so when a host that ended by itself does not start again. RuntimeError."""
        while True:
            self._stack.check()
            await asyncio.sleep(0.5)

    async def _kill(self, kill: Kill) -> None:
        host = self._hosts[kill.target]
        await until(kill.at, self._clock)
        async with self._up[kill.target]:  # its last start may take longer than planned
            await _until_up(host)
            at = self._clock()
            host.kill()
            self.kills += 1
            self._note(at, f"host {kill.target + 1} killed")
            await asyncio.sleep(kill.back_after)
            await self._stack.start_host(host)

    def kill_worker(self, port: int) -> None:
        """Kill the worker that calls from that port, and nothing else of its host."""
        for number, host in enumerate(self._hosts):
            for worker in _workers(host):
                if any(c.laddr and c.laddr.port == port for c in worker.net_connections("tcp4")):
                    worker.kill()
                    self._note(self._clock(), f"worker of host {number + 1} killed")

    async def _delete_queue(self, deletion: Deletion) -> None:
        await until(deletion.at, self._clock)
        while True:
            try:
                await self._empty_and_delete(deletion.queue)
            except AzureError:
                await asyncio.sleep(_SEND_AGAIN_SECONDS)
            else:
                self._note(self._clock(), f"queue {deletion.queue} deleted", repeats=False)
                return

    async def _revoke(self, moment: float) -> None:
        await until(moment, self._clock)
        self._stack.identity.revoke_all()
        self._note(self._clock(), "tokens revoked", repeats=False)

    async def _identity_outage(self, outage: Outage) -> None:
        await until(outage.at, self._clock)
        at = self._clock()
        self._stack.identity.down = True
        await asyncio.sleep(outage.seconds)
        self._stack.identity.down = False
        self._note(at, "identity endpoint down", repeats=False)

    async def _portal_outage(self, outage: Outage) -> None:
        await until(outage.at, self._clock)
        at = self._clock()
        await self._stack.portal.close_port()
        await asyncio.sleep(outage.seconds)
        await self._stack.portal.open_port()
        self._note(at, "portal gone")

    async def _storage_restart(self, outage: Outage) -> None:
        await until(outage.at, self._clock)
        at = self._clock()
        await self._stack.azurite.stop()
        await asyncio.sleep(outage.seconds)
        await self._stack.azurite.start()
        self._note(at, "storage restarted")

    def _note(self, at: float, what: str, *, repeats: bool = True) -> None:
        self.troubles.append(Trouble(at, self._clock(), what, repeats))
