"""The host's side of the worker: starts it, hands it invocations, and starts it again when it died.

    invocation ─► worker ─answers──────────────────► succeeded or failed
                     ├─dies───────────────────────► all that it ran has failed; started again
                     └─takes too long──► killed ──┘

After its third death the host gives up, as the real one does.
"""

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any

from azure.functions.meta import Datum

from local.host.worker import LINE_LIMIT

_logger = logging.getLogger("local.host")

_MAX_DEATHS = 3


class WorkerDidNotStartError(Exception):
    """The worker ended before it said which functions there are; the log says why."""


class WorkerGivenUpError(Exception):
    """The worker died too often."""


@dataclass(frozen=True, slots=True)
class WorkerFunction:
    """A function in the worker, as a listener calls it."""

    name: str
    trigger: Mapping[str, Any]
    worker: "WorkerProcess"

    async def invoke(self, data: Datum, metadata: Mapping[str, Datum]) -> bool:
        """Run it with what the trigger brought; returns whether it succeeded."""
        return await self.worker.invoke(self.name, data, metadata)


class WorkerProcess:
    """One worker at a time; `timeout` is how long an invocation may take."""

    def __init__(self, command: Sequence[str], timeout: timedelta | None) -> None:
        self._command = tuple(command)
        self._timeout = timeout.total_seconds() if timeout else None
        self._ids = count()
        self._pending: dict[int, asyncio.Future[bool]] = {}
        self._is_ready = asyncio.Event()
        self._is_given_up = False
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> list[WorkerFunction]:
        """Start it and return its functions. WorkerDidNotStartError."""
        self._process = process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_LIMIT,
        )
        first = await _output(process).readline()
        if not first:
            code = await process.wait()
            raise WorkerDidNotStartError(f"the worker ended with exit code {code}")

        self._is_ready.set()
        functions = json.loads(first)["functions"]
        return [WorkerFunction(name, trigger, self) for name, trigger in functions]

    async def keep_up(self) -> None:
        """Take its answers, and start it again whenever it died. WorkerGivenUpError."""
        for deaths in count(1):
            await self._take_answers()
            fields = {"deaths": deaths, "invocations": len(self._pending)}
            self._is_ready.clear()
            self._fail_pending()
            _logger.error("worker.died", extra=fields)
            if deaths == _MAX_DEATHS:
                self._is_given_up = True
                self._is_ready.set()
                raise WorkerGivenUpError(f"the worker died {deaths} times")

            await self.start()

    async def invoke(self, function: str, data: Datum, metadata: Mapping[str, Datum]) -> bool:
        """Run a function; False when it failed, took too long, or the worker died meanwhile."""
        await self._is_ready.wait()
        if self._is_given_up:
            return False

        number = next(self._ids)
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._pending[number] = answer
        request = {
            "id": number,
            "function": function,
            "data": _pair(data),
            "metadata": {name: _pair(value) for name, value in metadata.items()},
        }
        try:
            await self._send(request)
            async with asyncio.timeout(self._timeout):
                return await answer
        except TimeoutError:
            # No trace: where the waiting stopped says nothing of the function.
            _logger.error("function.timed_out", extra={"function": function})  # noqa: TRY400
            self.kill()
            return False
        finally:
            self._pending.pop(number, None)

    def kill(self) -> None:
        """End it at once, with all that it runs: nothing in it is cancelled or cleaned up."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()

    async def close(self) -> None:
        """Kill it, and wait until it has gone."""
        self.kill()
        if self._process is not None:
            await self._process.wait()

    async def _send(self, request: object) -> None:
        assert self._process is not None  # noqa: S101 - it is ready
        assert self._process.stdin is not None  # noqa: S101 - a pipe
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        # A worker that died meanwhile fails all that it was given, this invocation too.
        with suppress(ConnectionError):
            await self._process.stdin.drain()

    async def _take_answers(self) -> None:
        assert self._process is not None  # noqa: S101 - it was started
        while line := await _output(self._process).readline():
            answer = json.loads(line)
            future = self._pending.get(answer["id"])
            if future is not None and not future.done():
                future.set_result(bool(answer["succeeded"]))

        await self._process.wait()

    def _fail_pending(self) -> None:
        for future in self._pending.values():
            if not future.done():
                future.set_result(False)


def _output(process: asyncio.subprocess.Process) -> asyncio.StreamReader:
    assert process.stdout is not None  # noqa: S101 - a pipe
    return process.stdout


def _pair(datum: Datum) -> tuple[str, str]:
    return str(datum.type), datum.value
