"""Indexes the app of the current directory in a worker of its own, and tells what came of it.

`python -m tests.conformance.probe [FUNCTION]` prints JSON; a function is also invoked, when named,
with a queue message. For apps and settings that must fail: the worker takes one app a process.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tests.conformance.protos import TypedData
from tests.conformance.worker import IndexingError, Worker


async def _probe(function: str | None) -> dict[str, Any]:
    try:
        worker = await Worker.start(Path.cwd())
    except IndexingError as error:
        return {"refused": str(error)}
    triggers = {name: one.trigger for name, one in worker.functions.items()}
    if function is None:
        return {"triggers": triggers}
    result = await worker.invoke(function, TypedData(string="{}"), {"Id": TypedData(string="1")})
    return {"triggers": triggers, "succeeded": result.succeeded, "fault": result.fault}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_probe(sys.argv[1] if len(sys.argv) > 1 else None))))  # noqa: T201
