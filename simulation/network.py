"""The simulated network: each request has a fate, decided by the faults of the world.

A request that was sent arrives whatever becomes of its sender, and acts when it arrives; a reply
that comes too late reaches nobody.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context, ContextVar
from dataclasses import dataclass, field
from random import Random

from simulation.loop import Owner, VirtualLoop
from simulation.wire import BrokenOffError, NotConnectedError, Request, Response, Service

INVOCATION: ContextVar["Invocation | None"] = ContextVar("invocation", default=None)


@dataclass(slots=True, eq=False)
class Invocation:
    """One run of a function: which one, where, and the calls of the API that it made."""

    number: int
    kind: str  # "message" or "tick"
    owner: Owner
    began: float
    about: str = ""
    calls: list["Call"] = field(default_factory=list)
    paused: float = 0.0  # seconds for which its process was frozen


@dataclass(slots=True, eq=False)
class Call:
    """One request on its way, and what came of it as far as its sender knows."""

    number: int
    owner: Owner
    service: str
    request: Request
    sent_at: float
    invocation: Invocation | None
    arrived_at: float | None = None
    response: Response | None = None  # what the service answered, whether or not it got through
    seen: Response | None = None  # what reached the sender
    failed: str = ""  # why nothing did

    @property
    def target(self) -> str:
        """Method and path, for the journal."""
        return f"{self.request.method} {self.request.path}"


@dataclass(slots=True)
class Fate:
    """What becomes of a request. Seconds; a lost one is noticed by its sender's time-out alone."""

    request_seconds: float
    reply_seconds: float
    refused: str = ""  # no connection: nothing is sent; "timeout" after a while
    lost_request: bool = False
    lost_reply: bool = False
    reset: bool = False  # what is lost breaks the connection
    instead: Response | None = None  # answered on the way: the service never sees the request
    afterwards: Callable[[Response], Response] | None = None  # what becomes of the reply
    notes: list[str] = field(default_factory=list)


class Network:
    """Carries requests to services by the host's name."""

    def __init__(self, loop: VirtualLoop, chance: Random) -> None:
        self._loop = loop
        self._chance = chance
        self._world = Context()
        self._count = 0
        self.acting: Call | None = None  # whose request a service acts on just now
        self.services: dict[str, tuple[str, Service]] = {}
        self.deciders: list[Callable[[Call, Fate], None]] = []
        self.on_sent: list[Callable[[Call], None]] = []
        self.on_arrival: list[Callable[[Call], None]] = []
        self.on_seen: list[Callable[[Call, Fate], None]] = []

    async def exchange(
        self, owner: Owner, request: Request, leaves: Callable[[], Awaitable[None]] | None = None
    ) -> Response:
        """Sends a request and waits for its response; `leaves` is awaited once it is connected.

        Raises BrokenOffError, NotConnectedError; a time-out is the caller's own.
        """
        name, service = self.services[request.host]
        self._count += 1
        call = Call(self._count, owner, name, request, self._loop.time(), INVOCATION.get())
        if call.invocation is not None:
            call.invocation.calls.append(call)
        fate = Fate(0.002 + 0.02 * self._chance.random(), 0.002 + 0.02 * self._chance.random())
        for decide in self.deciders:
            decide(call, fate)
        try:
            await _connect(fate)
            if leaves is not None:
                await leaves()
            for observe in self.on_sent:
                observe(call)
            call.seen = await self._carry(call, fate, service)
        except (BrokenOffError, NotConnectedError) as error:
            call.failed = f"{type(error).__name__}"
            raise
        except BaseException:
            call.failed = "gave up waiting"
            raise
        finally:
            for watch in self.on_seen:
                watch(call, fate)
        return call.seen

    async def _carry(self, call: Call, fate: Fate, service: Service) -> Response:
        waiting: asyncio.Future[Response] = self._loop.create_future()
        self._later(fate.request_seconds, self._arrive, call, fate, service, waiting)
        return await waiting

    def _arrive(
        self, call: Call, fate: Fate, service: Service, waiting: asyncio.Future[Response]
    ) -> None:
        """The request is there, or lost on its way."""
        if fate.lost_request:
            if fate.reset:
                _break_off(waiting)
            return

        response = fate.instead or self._act(call, fate, service)
        if not fate.lost_reply:
            self._later(fate.reply_seconds, _reply, waiting, response)
        elif fate.reset:
            self._later(fate.reply_seconds, _break_off, waiting)

    def _act(self, call: Call, fate: Fate, service: Service) -> Response:
        call.arrived_at = self._loop.time()
        self.acting = call
        call.response = service(call.request)
        self.acting = None
        for observe in self.on_arrival:
            observe(call)
        return fate.afterwards(call.response) if fate.afterwards else call.response

    def _later(self, seconds: float, act: Callable[..., None], *arguments: object) -> None:
        self._loop.call_at(self._loop.time() + seconds, act, *arguments, context=self._world)


async def _connect(fate: Fate) -> None:
    if fate.refused:
        await asyncio.sleep(fate.request_seconds)
        raise NotConnectedError(fate.refused)


def _reply(waiting: asyncio.Future[Response], response: Response) -> None:
    if not waiting.done():
        waiting.set_result(response)


def _break_off(waiting: asyncio.Future[Response]) -> None:
    if not waiting.done():
        waiting.set_exception(BrokenOffError())
