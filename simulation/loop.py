"""An asyncio event loop whose time is virtual and whose order of callbacks is a seed's choice.

Time stands still while anything is ready and jumps to the next timer when nothing is. Callbacks
belong to an owner (a process of the simulated world): a frozen owner's wait until it goes on, a
dead owner's never run again, not even their `finally` blocks, as after a `kill -9`.
"""

import asyncio
import heapq
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from contextvars import Context, ContextVar, copy_context
from enum import Enum, auto
from itertools import count
from random import Random
from typing import Any, NoReturn

STEP_LIMIT = 3_000_000  # callbacks in one run: more is a loop that never ends
_FORBIDDEN = frozenset(
    {
        "socket.connect",
        "socket.bind",
        "socket.getaddrinfo",
        "socket.sendto",
        "subprocess.Popen",
        "os.fork",
        "_thread.start_new_thread",
    }
)


class OutsideWorldError(AssertionError):
    """The code under simulation reached for a socket, a thread, a process or the wall clock."""


class WaitsForEverError(AssertionError):
    """Nothing is ready and nothing is scheduled, or the loop never comes to rest."""


class Gate(Enum):
    """What becomes of an owner's callbacks."""

    OPEN = auto()
    FROZEN = auto()
    DEAD = auto()


class Owner:
    """Whatever can be frozen or killed as a whole: its callbacks carry it in their context."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.gate = Gate.OPEN
        self.withheld: list[asyncio.Handle] = []
        self.steps_left: int | None = None  # callbacks until `at_last_step` is called
        self.at_last_step: Callable[[], None] | None = None
        self.context = copy_context()
        self.context.run(OWNER.set, self)

    def __repr__(self) -> str:
        return self.name


OWNER: ContextVar[Owner | None] = ContextVar("owner", default=None)


class _Task(asyncio.Task[Any]):
    """A task whose place in a set does not depend on its address, so that runs can be repeated."""

    _numbers = count()

    def __init__(self, *args: Any, **options: Any) -> None:
        self._number = next(_Task._numbers)
        super().__init__(*args, **options)

    def __hash__(self) -> int:
        return self._number


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs one ready callback at a time, chosen by `chance`."""

    def __init__(self, chance: Random) -> None:
        super().__init__()
        self._now = 0.0
        self._pick = chance.random
        self._ready: list[asyncio.Handle] = []
        self._is_over = False
        self.steps = 0
        self.tasks: list[asyncio.Task[Any]] = []
        self.after_step: Callable[[], None] | None = None
        _Task._numbers = count()
        self.set_task_factory(self._make_task)

    def time(self) -> float:
        """Virtual seconds since the beginning."""
        return self._now

    def spawn(self, coroutine: Coroutine[Any, Any, Any], owner: Owner | None) -> asyncio.Task[Any]:
        """Starts a task that belongs to the owner; None: to the world itself."""
        context = Context() if owner is None else owner.context.copy()
        return self.create_task(coroutine, context=context)

    def freeze(self, owner: Owner) -> None:
        """Withholds the owner's callbacks until `thaw`."""
        if owner.gate is Gate.OPEN:
            owner.gate = Gate.FROZEN

    def thaw(self, owner: Owner) -> None:
        """Lets a frozen owner go on."""
        if owner.gate is Gate.FROZEN:
            owner.gate = Gate.OPEN
            self._ready += owner.withheld
            owner.withheld = []

    def kill(self, owner: Owner) -> None:
        """Ends an owner: none of its callbacks ever runs again."""
        owner.gate = Gate.DEAD
        owner.withheld = []

    def drop_everything(self) -> None:
        """Closes what still waits, so that nothing of it runs later."""
        self._is_over = True
        self._ready.clear()
        self._scheduled.clear()  # type: ignore[attr-defined]
        for task in self.tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                with suppress(BaseException):  # of a world that has ended
                    task.get_coro().close()
        self._ready.clear()
        self._scheduled.clear()  # type: ignore[attr-defined]
        self.tasks.clear()

    def run_in_executor(self, *_: object) -> NoReturn:
        """Refused: threads are outside of the simulated world."""
        raise OutsideWorldError("a thread was about to be used")

    def call_soon_threadsafe(self, *_: object, **__: object) -> NoReturn:
        """Refused, likewise."""
        raise OutsideWorldError("a thread was about to be used")

    def _make_task(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Any,
        **options: Any,
    ) -> asyncio.Task[Any]:
        task = _Task(coroutine, loop=loop, **options)
        self.tasks.append(task)
        return task

    def _asyncgen_finalizer_hook(self, agen: Any) -> None:
        self._asyncgens.discard(agen)  # type: ignore[attr-defined]
        if not self._is_over:
            self.create_task(agen.aclose())

    def _write_to_self(self) -> None:
        """No thread is ever to be woken."""

    def _process_events(self, event_list: object) -> None:
        """No sockets, no events."""

    def _run_once(self) -> None:
        ready = self._ready
        if not ready:
            self._advance()

        place = int(self._pick() * len(ready))
        handle = ready[place]
        ready[place] = ready[-1]
        ready.pop()
        if handle._cancelled:
            return

        owner = handle._context.get(OWNER)  # type: ignore[attr-defined]
        if owner is not None and not _may_run(owner, handle):
            return

        self.steps += 1
        if self.steps > STEP_LIMIT:
            raise WaitsForEverError(f"more than {STEP_LIMIT} callbacks, and no end")

        handle._run()
        if self.after_step is not None:
            self.after_step()

    def _advance(self) -> None:
        """On to the next timer, and to all that are due at that time."""
        scheduled: list[Any] = self._scheduled  # type: ignore[attr-defined]
        while scheduled and scheduled[0]._cancelled:
            heapq.heappop(scheduled)._scheduled = False

        if not scheduled:
            raise WaitsForEverError("nothing is ready and nothing is scheduled")

        self._now = max(self._now, scheduled[0]._when)
        while scheduled and scheduled[0]._when <= self._now:
            handle = heapq.heappop(scheduled)
            handle._scheduled = False
            self._ready.append(handle)


def _may_run(owner: Owner, handle: asyncio.Handle) -> bool:
    if owner.gate is Gate.DEAD:
        return False
    if owner.gate is Gate.FROZEN:
        owner.withheld.append(handle)
        return False
    if owner.steps_left is not None:
        owner.steps_left -= 1
        if owner.steps_left <= 0 and owner.at_last_step is not None:
            owner.steps_left = None
            owner.at_last_step()
            return owner.gate is Gate.OPEN or _may_run(owner, handle)
    return True


class _Guard:
    """An audit hook, which Python never removes again: it looks only while a world runs."""

    installed = False
    active = False

    @classmethod
    def hook(cls, event: str, _arguments: tuple[object, ...]) -> None:
        if cls.active and event in _FORBIDDEN:
            raise OutsideWorldError(f"the simulated code caused {event}")


@contextmanager
def sealed() -> Iterator[None]:
    """Within the block, sockets, threads, processes and sleeps raise OutsideWorldError."""
    if not _Guard.installed:
        sys.addaudithook(_Guard.hook)
        _Guard.installed = True

    before, _Guard.active = _Guard.active, True
    sleep, time.sleep = time.sleep, _refuse_to_sleep
    try:
        yield
    finally:
        time.sleep = sleep
        _Guard.active = before


def _refuse_to_sleep(_seconds: object) -> NoReturn:
    raise OutsideWorldError("the simulated code caused time.sleep")
