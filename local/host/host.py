"""The development host: runs a function app's queue and timer triggers as Azure Functions would.

It exists because the real host is not needed to see this app work, and is a large installation.
It knows these two triggers only, no output bindings, one instance, one worker; it does not scale
and it measures nothing. `python -m local.host` runs the `function_app.py` of the current directory
with the `host.json` beside it until SIGTERM or SIGINT. It ends by itself when its storage is lost
(exit code 1) or its worker died three times (0): what runs it starts it again.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

from local.host.connection import open_queue_service
from local.host.host_json import HostJson
from local.host.log import configure_logging
from local.host.queue import QueueListener, StorageLostError, Timing
from local.host.timer import TimerListener
from local.host.worker_process import (
    WorkerDidNotStartError,
    WorkerFunction,
    WorkerGivenUpError,
    WorkerProcess,
)

_logger = logging.getLogger("local.host")

STARTED = "host.started"
WORKER = (sys.executable, "-m", "local.host.worker")


class Listener(Protocol):
    """What waits for a trigger's events and calls its function."""

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until `stop`, then finish what was begun."""


class Host:
    """One app, in a worker of its own, behind its triggers."""

    def __init__(
        self,
        host_json: HostJson,
        environment: Mapping[str, str],
        *,
        worker: Sequence[str] = WORKER,
        timing: Timing,
    ) -> None:
        self._host_json = host_json
        self._environment = environment
        self._worker = WorkerProcess(worker, host_json.function_timeout)
        self._timing = timing

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until `stop`, then let what is in flight finish, and kill the worker.

        ExceptionGroup of StorageLostError, WorkerGivenUpError: the host has ended by itself.
        WorkerDidNotStartError, ValueError: the app or its settings are wrong.
        """
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._worker.close)
            functions = await self._worker.start()
            listeners = [await self._listener(function, stack) for function in functions]
            async with asyncio.TaskGroup() as group:
                keeping_up = group.create_task(self._worker.keep_up())
                async with asyncio.TaskGroup() as listening:
                    for listener in listeners:
                        listening.create_task(listener.run(stop))

                    names = ",".join(function.name for function in functions)
                    _logger.info(STARTED, extra={"functions": names})

                keeping_up.cancel()

        _logger.info("host.stopped")

    async def _listener(self, function: WorkerFunction, stack: AsyncExitStack) -> Listener:
        trigger = function.trigger
        if trigger["type"] == "timerTrigger":
            return TimerListener(
                function,
                trigger["schedule"],
                run_on_startup=bool(trigger.get("runOnStartup")),
                stop_seconds=self._timing.stop,
            )

        service = await stack.enter_async_context(
            open_queue_service(trigger["connection"], self._environment)
        )
        return QueueListener(
            function,
            service.get_queue_client(trigger["queueName"]),
            service.get_queue_client(f"{trigger['queueName']}-poison"),
            self._host_json.queues,
            self._timing,
        )


async def serve(host: Listener, *, exit_with_parent: bool) -> None:
    """Run the host until SIGTERM or SIGINT, or until the parent process is gone."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    running = asyncio.create_task(host.run(stop))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    if exit_with_parent:
        # Its end of the pipe closes however the parent goes. Nothing is waited for then: the
        # storage and the portal went with it.
        loop.add_reader(sys.stdin, _on_input, running)

    try:
        await running
    except asyncio.CancelledError:
        _logger.warning("host.orphaned")
    finally:
        if exit_with_parent:
            loop.remove_reader(sys.stdin)


def _on_input(running: asyncio.Task[None]) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        asyncio.get_running_loop().remove_reader(sys.stdin)
        running.cancel()


def main(worker: Sequence[str] = WORKER) -> int:
    """Run the app of the current directory, in that worker; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m local.host", description=__doc__)
    parser.add_argument("--lease-seconds", type=float, default=Timing().lease)
    parser.add_argument("--exit-with-parent", action="store_true", help="end when stdin closes")
    arguments = parser.parse_args()
    configure_logging()
    code = 1
    try:
        host_json = HostJson.load(Path("host.json"))
        timing = Timing(lease=arguments.lease_seconds)
        host = Host(host_json, os.environ, worker=worker, timing=timing)
        asyncio.run(serve(host, exit_with_parent=arguments.exit_with_parent))
        code = 0
    except* WorkerGivenUpError as errors:
        _report("host.given_up", errors)
        code = 0
    except* StorageLostError as errors:
        _report("host.storage_lost", errors)
    except* WorkerDidNotStartError as errors:
        # The worker itself has said why; a traceback of the host would only hide it.
        _report("host.failed", errors)
    except* Exception:
        _logger.exception("host.failed")

    return code


def _report(event: str, errors: BaseExceptionGroup[BaseException]) -> None:
    while isinstance(errors.exceptions[0], BaseExceptionGroup):
        errors = errors.exceptions[0]

    _logger.error(event, extra={"error": str(errors.exceptions[0])})
