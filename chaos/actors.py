"""Those who do something to the stack: the sender, and the troublemaker.

They follow the plan by the clock and note what they did and when.
"""

import asyncio
from collections.abc import Callable, Sequence

from azure.core.exceptions import AzureError

from chaos.messages import Invalid, Request
from chaos.observed import Sent, Trouble
from chaos.plan import Kill, Outage, Plan
from chaos.storage import Storage
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
            for request in plan.requests:
                text, name = texts[request.request_id], request.request_id
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


class Troublemaker:
    """Kills hosts, takes services away and gives them back."""

    def __init__(self, stack: Stack, hosts: Sequence[ChildProcess], clock: Clock) -> None:
        self.troubles: list[Trouble] = []
        self.kills = 0
        self._stack = stack
        self._hosts = hosts
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
            if not host.running:
                raise RuntimeError(f"host {kill.target + 1} was to be killed, and does not run")
            at = self._clock()
            host.kill()
            self.kills += 1
            self._note(at, f"host {kill.target + 1} killed")
            await asyncio.sleep(kill.back_after)
            await self._stack.start_host(host)

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
