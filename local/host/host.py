"""The development host: runs a function app's queue and timer triggers as Azure Functions would.

It exists because the real host is not needed to see this app work, and is a large installation.
It knows these two triggers only, no output bindings, one instance, one process; it does not
scale and it measures nothing. `python -m local.host` runs the `function_app.py` of the current
directory with the `host.json` beside it, until SIGTERM or SIGINT, and finishes what it began.
"""

import argparse
import asyncio
import importlib
import logging
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

import azure.functions as func
from azure.functions.decorators.function_app import Function
from azure.functions.decorators.queue import QueueTrigger
from azure.functions.decorators.timer import TimerTrigger

from local.host.connection import open_queue_service
from local.host.function import HostedFunction
from local.host.host_json import HostJson
from local.host.log import configure_logging
from local.host.queue import QueueListener
from local.host.timer import TimerListener

_logger = logging.getLogger("local.host")

STARTED = "host.started"


class Listener(Protocol):
    """What waits for a trigger's events and calls its function."""

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until `stop`, then finish what was begun."""


class Host:
    """One app's functions behind their triggers.

    A message being worked on is hidden for `lease_seconds`, renewed at half time: after a crash
    it is received again that much later (the real host takes ten minutes).
    """

    def __init__(
        self,
        app: func.FunctionApp,
        host_json: HostJson,
        environment: Mapping[str, str],
        *,
        lease_seconds: float = 60.0,
        drain_seconds: float = 30.0,
    ) -> None:
        self._functions = _index(app)
        self._host_json = host_json
        self._environment = environment
        self._lease_seconds = lease_seconds
        self._drain_seconds = drain_seconds

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until `stop`, then let what is in flight finish; ValueError: a bad trigger."""
        async with AsyncExitStack() as stack:
            listeners = [await self._listener(function, stack) for function in self._functions]
            async with asyncio.TaskGroup() as group:
                for listener in listeners:
                    group.create_task(listener.run(stop))
                names = ",".join(str(function.get_function_name()) for function in self._functions)
                _logger.info(STARTED, extra={"functions": names})
        _logger.info("host.stopped")

    async def _listener(self, function: Function, stack: AsyncExitStack) -> Listener:
        name, trigger = str(function.get_function_name()), function.get_trigger()
        if (
            not isinstance(trigger, (QueueTrigger, TimerTrigger))
            or len(function.get_bindings()) > 1
        ):
            raise ValueError(f"{name}: only queue and timer triggers, without other bindings")
        hosted = HostedFunction(
            name=name,
            parameter=trigger.name,
            call=function.get_user_function(),
            timeout=self._host_json.function_timeout,
            trigger=str(trigger.type),
        )
        if isinstance(trigger, TimerTrigger):
            return TimerListener(
                hosted,
                trigger.schedule,
                run_on_startup=bool(trigger.run_on_startup),
                drain_seconds=self._drain_seconds,
            )
        service = await stack.enter_async_context(
            open_queue_service(trigger.connection, self._environment)
        )
        return QueueListener(
            hosted,
            service.get_queue_client(trigger.queue_name),
            service.get_queue_client(f"{trigger.queue_name}-poison"),
            self._host_json.queues,
            lease_seconds=self._lease_seconds,
            drain_seconds=self._drain_seconds,
        )


def _index(app: func.FunctionApp) -> list[Function]:
    # The SDK warns every app without an HTTP function about its HTTP authentication.
    logging.disable(logging.WARNING)
    try:
        return app.get_functions()
    finally:
        logging.disable(logging.NOTSET)


async def serve(host: Listener, *, exit_with_parent: bool) -> None:
    """Run the host until SIGTERM or SIGINT, or until the parent process is gone."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    running = asyncio.create_task(host.run(stop))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if exit_with_parent:
        # Its end of the pipe closes however the parent goes. Nothing is drained then: the storage
        # and the portal went with it.
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


def main() -> int:
    """Run the app of the current directory."""
    parser = argparse.ArgumentParser(prog="python -m local.host", description=__doc__)
    parser.add_argument("--lease-seconds", type=float, default=60.0)
    parser.add_argument("--exit-with-parent", action="store_true", help="end when stdin closes")
    arguments = parser.parse_args()
    configure_logging()
    try:
        host_json = HostJson.load(Path("host.json"))
        app = importlib.import_module("function_app").app
        host = Host(app, host_json, os.environ, lease_seconds=arguments.lease_seconds)
        asyncio.run(serve(host, exit_with_parent=arguments.exit_with_parent))
    except Exception:
        _logger.exception("host.failed")
        return 1
    return 0
