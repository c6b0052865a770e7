"""The development host's triggers in front of Microsoft's own worker.

`python worker_host.py` serves the app of the current directory as `python -m local.host` does,
with the same options, except that Microsoft's worker indexes it and runs its functions. That
worker is a process of its own, which the host starts as `python worker_host.py --worker`.
"""

import asyncio
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from azure.functions.meta import Datum

from local.host import host, worker
from local.host.log import configure_logging
from tests.conformance.protos import TypedData
from tests.conformance.worker import Worker

_AS_WORKER = "--worker"

_logger = logging.getLogger("local.host")


@dataclass(frozen=True, slots=True)
class WorkerFunction:
    """A function in Microsoft's worker."""

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


def _typed(datum: Datum) -> TypedData:
    return TypedData(**{str(datum.type): datum.value})


async def _serve() -> None:
    worker.ignore_signals()
    answers = worker.take_standard_output()
    configure_logging()
    running = await Worker.start(Path.cwd())
    functions = [
        worker.IndexedFunction(one.name, one.trigger, WorkerFunction(running, one.name))
        for one in running.functions.values()
    ]
    await worker.serve(functions, answers)


if __name__ == "__main__":
    if sys.argv[1:] == [_AS_WORKER]:
        asyncio.run(_serve())
    else:
        sys.exit(host.main([sys.executable, __file__, _AS_WORKER]))
