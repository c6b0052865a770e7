"""The Functions host and its worker, as the real ones were seen to behave.

A host fetches up to 16 messages, hidden for ten minutes and renewed at half time; a failed
invocation shows its message again after `visibilityTimeout`; what failed `maxDequeueCount` times
is copied to the poison queue, for seven days. When the worker dies, everything in flight in it
fails at once and a new one starts; at its third death the host ends itself. When both are killed,
what was fetched stays hidden for the rest of its ten minutes. A stop waits ten seconds, goes on
fetching meanwhile, and then kills.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from simulation.app import POISON, REQUESTS, App
from simulation.loop import Gate, Owner
from simulation.network import INVOCATION, Invocation
from simulation.storage.queues import WEEK, Message, RefusedError

if TYPE_CHECKING:
    from simulation.world import World

HIDDEN, RENEWED = 600.0, 300.0
RESTART_WORKER, STOP_SECONDS = 0.3, 10.0
DEATHS = 3  # of its worker, which a host does not outlive


@dataclass(frozen=True, slots=True)
class HostSettings:
    """What `host.json` says about queues."""

    batch: int
    threshold: int
    retry: float
    tries: int

    @classmethod
    def read(cls) -> "HostSettings":
        """Reads the app's own file."""
        path = Path(__file__).resolve().parent.parent / "host.json"
        queues = json.loads(path.read_text())["extensions"]["queues"]
        hours, minutes, seconds = map(int, queues.get("visibilityTimeout", "0:0:0").split(":"))
        retry = timedelta(hours=hours, minutes=minutes, seconds=seconds).total_seconds()
        batch = queues.get("batchSize", 16)
        return cls(
            batch, queues.get("newBatchThreshold", batch // 2), retry,
            min(queues.get("maxDequeueCount", 5), 5),
        )  # fmt: skip


class WorkerDiedError(Exception):
    """The worker process is gone, and the invocation with it."""


class Machine:
    """One instance of the app: a host, its worker, and a clock of their own."""

    def __init__(self, world: "World", name: str, chance: Random, host_json: HostSettings) -> None:
        self._world = world
        self._loop = world.loop
        self._chance = chance
        self._settings = host_json
        self.name = name
        self.offset = chance.uniform(-world.plan.skew, world.plan.skew)
        self.drift = chance.uniform(-1, 1) * world.plan.drift
        self.host = Owner(f"{name} host")
        self.worker = Owner(name)
        self.app: App | None = None
        self.is_up = False
        self._deaths = 0
        self._lives = 0
        self._running: dict[asyncio.Future[None], Invocation] = {}
        self._fetched = 0
        self._frozen_until = 0.0

    def clock(self) -> float:
        """Seconds since the epoch, as this machine believes."""
        return self._world.now() + self.offset + self.drift * self._loop.time()

    # What an operator, the platform or bad luck does to it.

    def start(self) -> None:
        """A new host with a new worker."""
        self.is_up, self._deaths, self._fetched = True, 0, 0
        self.host = Owner(f"{self.name} host")
        self._start_worker()
        self._loop.spawn(self._listen(self.host), self.host)

    def kill_worker(self) -> None:
        """The worker dies, by a bug or for want of memory; its host starts another."""
        if not self.is_up or self.worker.gate is Gate.DEAD:
            return
        self._world.note(self.name, "the worker dies")
        self._loop.kill(self.worker)
        self._deaths += 1
        self._fail_running()
        if self._deaths >= DEATHS:
            self.kill()
            return
        self._world.later(RESTART_WORKER, self._start_worker_again, self.host)

    def kill(self) -> None:
        """Host and worker die; the platform starts them again."""
        if not self.is_up:
            return
        self._world.note(self.name, "host and worker die")
        self.is_up = False
        self._loop.kill(self.host)
        self._loop.kill(self.worker)
        self._running.clear()
        self._world.later(self._chance.uniform(5, 60), self._restart)

    def stop(self) -> None:
        """A stop in good order: ten seconds for what runs, then a kill."""
        if self.is_up:
            self._world.note(self.name, "is told to stop")
            self._world.later(STOP_SECONDS, self._kill_if, self.host)

    def freeze(self, seconds: float, *, with_host: bool) -> None:
        """The worker (and its host) does not run for so long, and does not know."""
        owners = [self.worker, self.host] if with_host else [self.worker]
        if not self.is_up or self.worker.gate is not Gate.OPEN:
            return
        whole = "host and worker freeze" if with_host else "the worker freezes"
        self._world.note(self.name, f"{whole} for {seconds:.0f} s")
        for owner in owners:
            self._loop.freeze(owner)
        self._frozen_until = self._loop.time() + seconds
        for invocation in self._running.values():
            invocation.paused += seconds
        self._world.later(seconds, self._thaw, owners)

    # What the host does.

    async def invoke(self, kind: str, run: Callable[[App], Awaitable[None]], about: str) -> None:
        """Runs a function in the worker. Raises what it raises, or WorkerDiedError."""
        if self.app is None or self.worker.gate is Gate.DEAD:
            await asyncio.sleep(2 * RESTART_WORKER)  # the next worker is there by then
        if self.app is None or self.worker.gate is Gate.DEAD:
            raise WorkerDiedError

        invocation = self._world.invocation(kind, self.worker, about)
        if self.worker.gate is Gate.FROZEN:
            invocation.paused = self._frozen_until - self._loop.time()
        done: asyncio.Future[None] = self._loop.create_future()
        self._running[done] = invocation
        app, host = self.app, self.host

        async def work() -> None:
            INVOCATION.set(invocation)
            await run(app)

        task = self._loop.spawn(work(), self.worker)

        def pass_on(finished: asyncio.Task[None]) -> None:
            if not done.done():
                error = finished.exception()
                done.set_exception(error) if error else done.set_result(None)

        task.add_done_callback(pass_on, context=host.context)
        try:
            await done
        except Exception as error:
            self._world.function_failed(invocation, error)
            raise
        finally:
            self._running.pop(done, None)
            self._world.invocation_ended(invocation)

    async def _listen(self, host: Owner) -> None:
        while True:
            if self._fetched <= self._settings.threshold:
                for message in await self._fetch():
                    self._fetched += 1
                    self._loop.spawn(self._deliver(message), host)
            await self._world.until_visible(REQUESTS)
            await asyncio.sleep(2 * self._chance.random())

    async def _fetch(self) -> list[Message]:
        queues = self._world.queues
        try:
            found = await self._world.reach(
                self.host, lambda: queues.receive(REQUESTS, self._settings.batch, HIDDEN)
            )
        except (RefusedError, OSError):
            await asyncio.sleep(5)
            return []
        return [
            Message(m.id, m.text, m.inserted_at, m.expires_at, m.visible_at, m.receipt,
                    m.dequeue_count)
            for m in found
        ]  # fmt: skip

    async def _deliver(self, message: Message) -> None:
        world = self._world
        about = world.about(message.text)
        world.note(
            self.name, f"fetches message {message.id[-4:]} (time {message.dequeue_count})", about
        )
        renewing = self._loop.spawn(self._renew(message), self.host)
        try:
            if message.dequeue_count > self._settings.tries:
                await self._give_up(message)
                return
            await self.invoke("message", lambda app: app.handle(message), about)
        except Exception as error:
            world.note(self.name, f"fails with {type(error).__name__}", about)
            if message.dequeue_count >= self._settings.tries:
                await self._give_up(message)
            else:
                await self._storage(
                    lambda: world.queues.update(
                        REQUESTS, message.id, message.receipt, self._settings.retry, None
                    )
                )
        else:
            world.note(self.name, f"completes message {message.id[-4:]}", about)
            await self._delete(message)
        finally:
            renewing.cancel()
            self._fetched -= 1

    async def _renew(self, message: Message) -> None:
        while True:
            await asyncio.sleep(RENEWED)
            await self._storage(lambda: self._renewed(message))

    def _renewed(self, message: Message) -> None:
        queues = self._world.queues
        message.receipt = queues.update(REQUESTS, message.id, message.receipt, HIDDEN, None).receipt

    async def _give_up(self, message: Message) -> None:
        world = self._world
        world.note(self.name, "gives the message up", world.about(message.text))
        world.queues.create(POISON)
        if await self._storage(lambda: self._copy(message)):
            await self._delete(message)

    def _copy(self, message: Message) -> None:
        world = self._world
        world.copies[world.about(message.text)] += 1
        world.queues.put(POISON, message.text, 0, WEEK)

    async def _delete(self, message: Message) -> None:
        queues = self._world.queues
        await self._storage(lambda: queues.delete(REQUESTS, message.id, message.receipt))

    async def _storage(self, act: Callable[[], object]) -> bool:
        """One of the host's own storage calls, tried three times; whether it got through."""
        for pause in (1, 4, 0):
            try:
                await self._world.reach(self.host, act)
            except RefusedError:
                return False
            except OSError:
                await asyncio.sleep(pause)
            else:
                return True
        return False

    # Lives and deaths.

    def _start_worker(self) -> None:
        self._lives += 1
        self.worker = Owner(self.name)
        self.app = self._world.app_for(self, self._lives)

    def _start_worker_again(self, host: Owner) -> None:
        if self.host is host and self.is_up:
            self._start_worker()

    def _restart(self) -> None:
        if not self.is_up:
            self._world.note(self.name, "starts again")
            self.start()

    def _kill_if(self, host: Owner) -> None:
        if self.host is host:
            self.kill()

    def _thaw(self, owners: list[Owner]) -> None:
        self._world.note(self.name, "goes on")
        for owner in owners:
            self._loop.thaw(owner)

    def _fail_running(self) -> None:
        for done in list(self._running):
            if not done.done():
                done.set_exception(WorkerDiedError())
