"""One child process: in its own session, logging to a file, never outliving its owner.

It knows nothing of what it runs, and it does not start again what ended. The child's standard input
is a pipe that only closes when this process ends, so a child that watches it for the end of the
file leaves with its parent even when the parent was killed.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_POLL_SECONDS = 0.02


class ChildProcess:
    """A command that can be started, stopped, killed and started again."""

    def __init__(
        self,
        command: Sequence[str],
        log_path: Path,
        *,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> None:
        self.command = tuple(command)
        self.log_path = log_path
        self._environment = environment
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self._is_told_to_end = False

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def ended_by_itself(self) -> bool:
        """Whether it has ended, and neither `stop` nor `kill` was called since it was started."""
        return self.returncode is not None and not self._is_told_to_end

    @property
    def returncode(self) -> int | None:
        """Its exit code, minus the signal that ended it, or None while it runs."""
        return None if self._process is None else self._process.poll()

    @property
    def pid(self) -> int:
        """Of the process, or of the last one when it has ended."""
        if self._process is None:
            raise RuntimeError(f"not started: {self.command[0]}")

        return self._process.pid

    def start(self) -> None:
        """Start it; the log file is appended to, so a restart keeps what went before."""
        if self.running:
            raise RuntimeError(f"already running: {self.command[0]}")

        self._close_input()
        # Popen rather than asyncio's: spawning is then one step that a cancellation cannot split,
        # and the process belongs to no event loop.
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own commands only
                self.command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._directory,
                env=None if self._environment is None else dict(self._environment),
                start_new_session=True,
            )

        self._is_told_to_end = False

    async def wait(self) -> int:
        """Wait for its end and return the exit code."""
        # Asked rather than told: a watcher would tie the process to one event loop.
        while (code := self.returncode) is None:  # noqa: ASYNC110 - see above
            await asyncio.sleep(_POLL_SECONDS)

        return code

    async def stop(self, grace_seconds: float = 10.0) -> None:
        """SIGTERM, and SIGKILL after the grace, or at once when the waiting is cancelled."""
        if self._process is None:
            return

        self._is_told_to_end = True
        try:
            self._signal(signal.SIGTERM)
            with suppress(TimeoutError):
                async with asyncio.timeout(grace_seconds):
                    await self.wait()
        finally:
            self.kill()

    def kill(self) -> None:
        """SIGKILL, and reap it; nothing happens when it has ended already."""
        if self._process is None:
            return

        self._is_told_to_end = True
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._close_input()

    def log_tail(self, lines: int = 20) -> str:
        """Return the last lines it wrote, for an error message."""
        text = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def _close_input(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            # Closing flushes, which fails when the reader is gone; the descriptor is freed anyway.
            with suppress(BrokenPipeError):
                self._process.stdin.close()

    def _signal(self, number: signal.Signals) -> None:
        # Only while it is not reaped: afterwards its id may be another process's.
        if self._process is not None and self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
