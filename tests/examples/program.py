"""A program as a person runs it: lines in order of appearance, then a signal."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from azure.storage.queue.aio import QueueClient

ROOT = Path(__file__).parents[2]
PRODUCER = "examples/producer/send_request.py"
CONSUMER = "examples/consumer/handle_outcomes.py"

_WAIT_SECONDS = 60.0


class Program:
    """A running program and what it has printed, errors included."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._output = process.stdout or process.stderr
        self.lines: list[str] = []

    async def line_with(self, text: str) -> str:
        """Wait for the next line that holds the text. Raises AssertionError when it ends first."""
        assert self._output is not None
        async with asyncio.timeout(_WAIT_SECONDS):
            while line := (await self._output.readline()).decode():
                self.lines.append(line.rstrip())
                if text in line:
                    return line.rstrip()

        raise AssertionError(f"ended without {text!r}:\n" + "\n".join(self.lines))

    async def finish(self) -> int:
        """Wait for its end and return the exit code."""
        async with asyncio.timeout(_WAIT_SECONDS):
            output, _ = await self._process.communicate()
        self.lines += output.decode().splitlines()

        return await self._process.wait()


@asynccontextmanager
async def running(
    *arguments: str, settings: Mapping[str, str], stdout: int | None = None
) -> AsyncIterator[Program]:
    """Run a Python program with these settings and no others; it is terminated at the end.

    With a file descriptor for its standard output, only its standard error is read.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", "COLUMNS": "300", **settings},
        stdout=asyncio.subprocess.PIPE if stdout is None else stdout,
        stderr=asyncio.subprocess.STDOUT if stdout is None else asyncio.subprocess.PIPE,
    )
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def _left(queue: QueueClient) -> int | None:
    return (await queue.get_queue_properties()).approximate_message_count


async def until_left(queue: QueueClient, number: int) -> None:
    """Wait until a queue holds this many messages, hidden ones included."""
    async with asyncio.timeout(_WAIT_SECONDS):
        while await _left(queue) != number:  # noqa: ASYNC110 - other processes set no event
            await asyncio.sleep(0.05)


async def run(*arguments: str, settings: Mapping[str, str]) -> str:
    """Run a Python program to its end and return what it printed."""
    async with running(*arguments, settings=settings) as program:
        code = await program.finish()

    printed = "\n".join(program.lines)
    assert 0 == code, printed
    return printed
