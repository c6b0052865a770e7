"""The whole stack: emulator, identity, portal and the app behind the development host.

Emulator and host are child processes, identity and portal run in this one. Leaving the block ends
them all, whatever ended it. A host that ends by itself meanwhile is started again, as the platform
does it. The app itself is not touched: it is told where everything is through the settings that an
operator would use.

`managed_identity=True` runs the whole chain without a key: Azurite speaks TLS and takes bearer
tokens, and the app gets the identity-based form of `CANCEL_STORAGE`.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from azure.core.exceptions import ResourceExistsError
from azure.data.tables.aio import TableServiceClient
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from local.azurite import Azurite
from local.host.host import STARTED
from local.identity import Identity
from local.portal.portal import Portal
from local.process import ChildProcess
from local.tls import TlsFiles, write_tls_files

ROOT = Path(__file__).resolve().parent.parent

_START_SECONDS = 30.0
_LOOK_SECONDS = 0.2
_RESTART_PAUSE_SECONDS = 1.0
_STOP_SECONDS = 15.0  # longer than the host gives to what it runs
# Whatever the developer's own shell says about these must not reach the app.
_OURS = ("CANCEL_", "OUTCOME_", "LEDGER_", "POLL_", "BACKOFF_", "PARTNER_",
         "IDENTITY_", "MSI_", "AZURE_", "WEBSITE_")  # fmt: skip


class Stack:
    """Everything the app needs to run, and the app; `settings` are its app settings."""

    azurite: Azurite
    identity: Identity
    portal: Portal
    host: ChildProcess
    requests: QueueClient
    outcomes: QueueClient
    rejected: QueueClient
    tables: TableServiceClient

    def __init__(
        self,
        settings: Mapping[str, str] | None = None,
        *,
        with_host: bool = True,
        managed_identity: bool = False,
        directory: Path | None = None,
        location: Path | None = None,
        app_directory: Path = ROOT,
        lease_seconds: float = 60.0,
        make_portal: Callable[[Identity], Portal] = Portal,
    ) -> None:
        self._settings = dict(settings or {})
        self._with_host = with_host
        self._managed_identity = managed_identity
        self._directory = directory
        self._location = location
        self._app_directory = app_directory
        self._lease_seconds = lease_seconds
        self._make_portal = make_portal
        self._tls: TlsFiles | None = None
        self._stack = AsyncExitStack()
        self._hosts: list[ChildProcess] = []
        self._supervising: asyncio.Task[None] | None = None

    @property
    def log_path(self) -> Path:
        """The host's log; it stays when the stack was given a directory, else it goes with it."""
        return self.host.log_path

    @property
    def environment(self) -> dict[str, str]:
        """The app settings: where everything is, and what `settings` adds or overrides."""
        return {
            "PARTNER_API_URL": self.portal.url,
            **self._storage_settings(),
            **self.identity.environment,
            **self._settings,
        }

    def setting(self, name: str, default: str) -> str:
        """Return a setting as the app will see it."""
        return self._settings.get(name, default)

    def add_host(self, log_path: Path) -> ChildProcess:
        """One more host for the app, with the same settings; not started, stopped with the rest."""
        host = ChildProcess(
            self._host_command(),
            log_path,
            environment=self._host_environment(),
            directory=self._app_directory,
        )
        self._hosts.append(host)
        self._stack.push_async_callback(host.stop, _STOP_SECONDS)
        return host

    def check(self) -> None:
        """RuntimeError: a host ended by itself and does not start any more."""
        if self._supervising is not None and self._supervising.done():
            self._supervising.result()

    async def start_host(self, host: ChildProcess | None = None) -> None:
        """Start a host and wait until it listens; RuntimeError shows why it does not."""
        host = host or self.host
        before = host.log_path.stat().st_size if host.log_path.exists() else 0
        host.start()
        try:
            async with asyncio.timeout(_START_SECONDS):
                while host.running:
                    with suppress(FileNotFoundError):
                        if STARTED.encode() in host.log_path.read_bytes()[before:]:
                            return

                    await asyncio.sleep(0.05)
        except TimeoutError:
            host.kill()

        raise RuntimeError(f"the host did not start:\n{host.log_tail()}")

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise

        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        enter = self._stack.enter_async_context
        directory = self._directory or Path(
            self._stack.enter_context(tempfile.TemporaryDirectory(prefix="offer-cancellation-"))
        )
        if self._managed_identity:
            self._tls = write_tls_files(directory)

        self.azurite = await enter(Azurite(self._location, self._tls))
        self.identity = await enter(Identity())
        self.portal = await enter(self._make_portal(self.identity))
        await self._open_clients()
        self.host = self.add_host(directory / "host.log")
        if self._with_host:
            await self.start_host()

        self._supervising = asyncio.create_task(self._supervise())
        self._stack.push_async_callback(self._end_supervising, self._supervising)

    async def _supervise(self) -> None:
        """Start every host again that ended by itself. RuntimeError: it does not start."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            for host in self._hosts:
                if host.ended_by_itself:
                    await asyncio.sleep(_RESTART_PAUSE_SECONDS)
                    await self.start_host(host)

    @staticmethod
    async def _end_supervising(supervising: asyncio.Task[None]) -> None:
        supervising.cancel()
        await asyncio.gather(supervising, return_exceptions=True)

    async def _open_clients(self) -> None:
        enter = self._stack.enter_async_context
        connection_string = self.azurite.connection_string
        options: dict[str, Any] = {}
        if self._tls is not None:
            # Read anew for every request, but nothing here is measured.
            options["connection_verify"] = str(self._tls.authority)

        queues = await enter(
            QueueServiceClient.from_connection_string(connection_string, **options)
        )
        self.tables = await enter(
            TableServiceClient.from_connection_string(connection_string, **options)
        )
        requests = self.setting("CANCEL_QUEUE", "cancel-requests")
        self.requests = queues.get_queue_client(requests)
        self.outcomes = queues.get_queue_client(self.setting("OUTCOME_QUEUE", "cancel-outcomes"))
        self.rejected = queues.get_queue_client(f"{requests}-rejected")
        # The app makes what is missing in its first tick; these are here so that nothing waits.
        for queue in (self.requests, self.outcomes, self.rejected):
            with suppress(ResourceExistsError):
                await queue.create_queue()

    def _storage_settings(self) -> dict[str, str]:
        if self._tls is None:
            return {"CANCEL_STORAGE": self.azurite.connection_string}

        return {
            "CANCEL_STORAGE__queueServiceUri": self.azurite.queue_uri,
            "CANCEL_STORAGE__tableServiceUri": self.azurite.table_uri,
            "CANCEL_STORAGE__credential": "managedidentity",
            "CANCEL_STORAGE__clientId": "33333333-3333-3333-3333-333333333333",
            "SSL_CERT_FILE": str(self._tls.authority),
        }

    def _host_command(self) -> list[str]:
        lease = f"--lease-seconds={self._lease_seconds}"
        return [sys.executable, "-m", "local.host", "--exit-with-parent", lease]

    def _host_environment(self) -> dict[str, str]:
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(_OURS)
        }
        # An app elsewhere still finds this package.
        path = os.pathsep.join(filter(None, [str(ROOT), inherited.get("PYTHONPATH")]))
        return {**inherited, "PYTHONPATH": path, **self.environment}
