"""The development host's triggers in front of Microsoft's own worker.

`python worker_host.py` serves the app of the current directory as `python -m local.host` does,
with the same options, except that the worker indexes it and runs its functions.
"""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from azure.functions.meta import Datum

from local.host.connection import open_queue_service
from local.host.host import STARTED, Listener, serve
from local.host.host_json import HostJson
from local.host.log import configure_logging
from local.host.queue import QueueListener
from local.host.timer import TimerListener
from tests.conformance.protos import TypedData
from tests.conformance.worker import Function, Worker

_logger = logging.getLogger("local.host")
_DRAIN_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class WorkerFunction:
    """A function in the worker, as a listener calls it."""

    worker: Worker
    name: str

    async def invoke(self, data: Datum, metadata: Mapping[str, Datum]) -> bool:
        """Run it; a failure is logged with what the worker says of it."""
        typed = {name: _typed(value) for name, value in metadata.items()}
        result = await self.worker.invoke(self.name, _typed(data), typed)
        if not result.succeeded:
            fields = {"function": self.name, "fault": result.fault}
            _logger.error("function.failed", extra=fields)
        return result.succeeded


@dataclass(frozen=True, slots=True)
class WorkerHost:
    """Listens on what the worker's own metadata says."""

    host_json: HostJson
    lease_seconds: float

    async def run(self, stop: asyncio.Event) -> None:
        """Index the app and listen until `stop`, then let what is in flight finish."""
        worker = await Worker.start(Path.cwd())
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            for function in worker.functions.values():
                listener = await self._listener(worker, function, stack)
                group.create_task(listener.run(stop))
            _logger.info(STARTED)

    async def _listener(
        self, worker: Worker, function: Function, stack: AsyncExitStack
    ) -> Listener:
        hosted, trigger = WorkerFunction(worker, function.name), function.trigger
        if trigger["type"] == "timerTrigger":
            return TimerListener(hosted, trigger["schedule"], drain_seconds=_DRAIN_SECONDS)
        connection = open_queue_service(trigger["connection"], os.environ)
        service = await stack.enter_async_context(connection)
        return QueueListener(
            hosted,
            service.get_queue_client(trigger["queueName"]),
            service.get_queue_client(f"{trigger['queueName']}-poison"),
            self.host_json.queues,
            lease_seconds=self.lease_seconds,
            drain_seconds=_DRAIN_SECONDS,
        )


def _typed(datum: Datum) -> TypedData:
    return TypedData(**{str(datum.type): datum.value})


def main() -> int:
    """Serve the app of the current directory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lease-seconds", type=float, default=60.0)
    parser.add_argument("--exit-with-parent", action="store_true")
    arguments = parser.parse_args()
    configure_logging()
    try:
        host = WorkerHost(HostJson.load(Path("host.json")), arguments.lease_seconds)
        asyncio.run(serve(host, exit_with_parent=arguments.exit_with_parent))
    except Exception:
        _logger.exception("host.failed")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
