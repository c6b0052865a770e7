"""The worker: a process of its own that loads the app and runs its functions for the host.

It reads invocations from standard input and writes what came of them to standard output, a line
of JSON each; the first line that it writes says which functions there are. It ends when the host
has gone, after it has finished what it runs. Only the host may stop it earlier, by killing it.
"""

import asyncio
import importlib
import json
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import azure.functions as func
from azure.functions.decorators.function_app import Function
from azure.functions.decorators.queue import QueueTrigger
from azure.functions.decorators.timer import TimerTrigger
from azure.functions.meta import Datum

from local.host.function import TriggeredFunction, UserFunction
from local.host.log import configure_logging

LINE_LIMIT = 16 * 1024 * 1024  # bytes; a message of 64 KiB stands in its line more than once

_logger = logging.getLogger("local.host")


@dataclass(frozen=True, slots=True)
class IndexedFunction:
    """A function and its trigger, in the words of `function.json`."""

    name: str
    trigger: Mapping[str, Any]
    function: TriggeredFunction


def index(app: func.FunctionApp) -> list[IndexedFunction]:
    """Return the app's functions. ValueError: one has a trigger or a binding of another kind."""
    # The SDK warns every app without an HTTP function about its HTTP authentication.
    logging.disable(logging.WARNING)
    try:
        functions = app.get_functions()
    finally:
        logging.disable(logging.NOTSET)

    return [_indexed(function) for function in functions]


def _indexed(function: Function) -> IndexedFunction:
    name, trigger = str(function.get_function_name()), function.get_trigger()
    if not isinstance(trigger, QueueTrigger | TimerTrigger) or len(function.get_bindings()) > 1:
        raise ValueError(f"{name}: only queue and timer triggers, without other bindings")

    user_function = UserFunction(
        name=name,
        parameter=trigger.name,
        call=function.get_user_function(),
        trigger=str(trigger.type),
    )
    (binding,) = function.get_raw_bindings()
    return IndexedFunction(name, json.loads(binding), user_function)


async def serve(functions: Sequence[IndexedFunction], answers: BinaryIO) -> None:
    """Run what standard input asks for until it ends, then finish what runs."""
    by_name = {one.name: one.function for one in functions}
    _write(answers, {"functions": [[one.name, dict(one.trigger)] for one in functions]})
    requests = asyncio.StreamReader(limit=LINE_LIMIT)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(requests), sys.stdin
    )
    async with asyncio.TaskGroup() as running:
        while line := await requests.readline():
            request = json.loads(line)
            running.create_task(_invoke(by_name[request["function"]], request, answers))


async def _invoke(
    function: TriggeredFunction, request: Mapping[str, Any], answers: BinaryIO
) -> None:
    metadata = {name: _datum(value) for name, value in request["metadata"].items()}
    succeeded = await function.invoke(_datum(request["data"]), metadata)
    _write(answers, {"id": request["id"], "succeeded": succeeded})


def _datum(value: Sequence[str]) -> Datum:
    kind, content = value
    return Datum(content, kind)


def _write(answers: BinaryIO, answer: object) -> None:
    try:
        answers.write(json.dumps(answer).encode() + b"\n")
    except BrokenPipeError:
        _logger.warning("worker.orphaned")


def take_standard_output() -> BinaryIO:
    """Return standard output for the answers; what the app prints goes to the log instead."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return answers


def ignore_signals() -> None:
    """Leave it to the host when to stop: a terminal sends its signals to both."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


def main() -> None:
    """Serve the app of the current directory."""
    ignore_signals()
    answers = take_standard_output()
    configure_logging()
    app = importlib.import_module("function_app").app
    asyncio.run(serve(index(app), answers))


if __name__ == "__main__":
    main()
