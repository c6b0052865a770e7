"""Runs Azurite, Microsoft's storage emulator, on free loopback ports.

It is started from node_modules and only started: queues and tables are made by their users.
"""

import asyncio
import json
import shutil
import socket
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from local.process import ChildProcess
from local.tls import TlsFiles

_PACKAGE = Path(__file__).resolve().parent.parent / "node_modules" / "azurite"

# The emulator's well-known account, the same on every machine in the world; not a secret.
ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

_START_SECONDS = 30.0
_START_TRIES = 3
_SERVICES = ("blob", "queue", "table")

# Ends Azurite in good order when the process that started it is gone, however it went; unref, or
# watching for that would itself keep it alive when it is told to stop.
_EXIT_WITH_PARENT = (
    "data:text/javascript,"
    'process.stdin.on("end",()=>process.kill(process.pid,"SIGTERM")).on("error",()=>{});'
    "process.stdin.resume().unref()"
)


class Azurite:
    """One emulator; stopped and started again, it keeps its ports, and its data at `location`."""

    def __init__(self, location: Path | None = None, tls: TlsFiles | None = None) -> None:
        self._location = location
        self._tls = tls
        self._ports: dict[str, int] = {}
        self._process: ChildProcess | None = None
        self._cleanup = ExitStack()
        self._directory = Path()

    @property
    def connection_string(self) -> str:
        """For clients with the account's key: blobs, queues and tables."""
        endpoints = "".join(f"{name.title()}Endpoint={self._uri(name)};" for name in _SERVICES)
        scheme = "https" if self._tls else "http"
        return (
            f"DefaultEndpointsProtocol={scheme};AccountName={ACCOUNT};AccountKey={_KEY};{endpoints}"
        )

    @property
    def queue_uri(self) -> str:
        """For clients with a token: the queue service."""
        return self._uri("queue")

    @property
    def table_uri(self) -> str:
        """For clients with a token: the table service."""
        return self._uri("table")

    @property
    def pid(self) -> int:
        """Of the process, or of the last one when it is stopped."""
        if self._process is None:
            raise RuntimeError("Azurite has not been started")

        return self._process.pid

    @property
    def log_path(self) -> Path:
        """What it wrote; gone with the block."""
        return self._directory / "azurite.log"

    async def start(self) -> None:
        """Start it and wait until its ports accept."""
        # Another process may take a free port before Azurite binds it: then others are tried.
        tries = [self._ports] if self._ports else [_free_ports() for _ in range(_START_TRIES)]
        for self._ports in tries:
            process = self._process = ChildProcess(self._command(), self.log_path)
            process.start()
            try:
                if await self._accepts(process):
                    return
            except BaseException:
                process.kill()
                raise

            process.kill()

        raise RuntimeError(f"Azurite did not start:\n{process.log_tail()}")

    async def stop(self) -> None:
        """End it in good order: with a location, what it holds is on disk then."""
        if self._process is not None:
            await self._process.stop()

    async def __aenter__(self) -> Self:
        directory = tempfile.TemporaryDirectory(prefix="azurite-")
        self._directory = Path(self._cleanup.enter_context(directory))
        try:
            await self.start()
        except BaseException:
            self._cleanup.close()
            raise

        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._cleanup:
            await self.stop()

    def _uri(self, service: str) -> str:
        if service not in self._ports:
            raise RuntimeError("Azurite has not been started")

        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._ports[service]}/{ACCOUNT}"

    def _command(self) -> list[str]:
        command = [_node(), "--import", _EXIT_WITH_PARENT, str(_script())]
        # The queue client speaks newer versions of the API than Azurite has heard of.
        command += ["--silent", "--disableTelemetry", "--skipApiVersionCheck"]
        for service, port in self._ports.items():
            command += [f"--{service}Host", "127.0.0.1", f"--{service}Port", str(port)]

        if self._location is None:
            command.append("--inMemoryPersistence")
        else:
            command += ["--location", str(self._location)]

        if self._tls is not None:
            command += ["--oauth", "basic"]
            command += ["--cert", str(self._tls.cert), "--key", str(self._tls.key)]

        return command

    async def _accepts(self, process: ChildProcess) -> bool:
        end = time.monotonic() + _START_SECONDS
        waiting = set(self._ports.values())
        while waiting and process.running and time.monotonic() < end:
            for port in tuple(waiting):
                with suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    waiting.discard(port)

            if waiting:
                await asyncio.sleep(0.05)

        return not waiting and process.running


def _free_ports() -> dict[str, int]:
    with ExitStack() as stack:
        # All open at once, or the same port could be handed out twice.
        sockets = {name: stack.enter_context(socket.socket()) for name in _SERVICES}
        for sock in sockets.values():
            sock.bind(("127.0.0.1", 0))

        return {name: int(sock.getsockname()[1]) for name, sock in sockets.items()}


def _node() -> str:
    node = shutil.which("node")
    if node is None:
        raise RuntimeError("Azurite needs Node.js, and `node` is not on the PATH")

    return node


def _script() -> Path:
    try:
        package = json.loads((_PACKAGE / "package.json").read_text())
    except FileNotFoundError:
        raise RuntimeError("Azurite is not installed: run `npm ci`") from None

    return _PACKAGE / str(package["bin"]["azurite"])
