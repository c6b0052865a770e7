"""Serves a web application on a free loopback port, for the servers the stack plays itself.

It carries no behaviour of its own: routes and answers belong to `identity`, `token_endpoint`
and `portal`.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

from aiohttp import web

from local.tls import TlsFiles

_LOOPBACK = "127.0.0.1"
_BIND_TRIES = 50
_BIND_PAUSE_SECONDS = 0.1


class Server:
    """The application while the block lasts; its port can be closed and opened again.

    With `tls` it speaks nothing else.
    """

    def __init__(self, app: web.Application, tls: TlsFiles | None = None) -> None:
        self._runner = web.AppRunner(
            app,
            access_log=None,
            # A handler that hangs on purpose must end when its client leaves, or when we do.
            handler_cancellation=True,
            shutdown_timeout=0.1,
        )
        self._tls = _context(tls) if tls else None
        self._port = 0
        self._site: web.TCPSite | None = None

    @property
    def url(self) -> str:
        """Where it listens, without a trailing slash."""
        scheme = "https" if self._tls else "http"
        return f"{scheme}://{_LOOPBACK}:{self._port}"

    async def open_port(self) -> None:
        """Listen, at the same port as before if there was one."""
        for tries_left in reversed(range(_BIND_TRIES)):
            self._site = web.TCPSite(self._runner, _LOOPBACK, self._port, ssl_context=self._tls)
            try:
                await self._site.start()
            except OSError:  # for a moment it may be the source port of some connection
                await self._site.stop()
                if not tries_left:
                    raise

                await asyncio.sleep(_BIND_PAUSE_SECONDS)
            else:
                self._port = self._site.port
                return

    async def close_port(self) -> None:
        """Refuse connections from now on, and break off those that there are."""
        if self._site is not None:
            await self._site.stop()

        for connection in list(self._runner.server.connections if self._runner.server else ()):
            if connection.transport is not None:
                connection.transport.abort()

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        try:
            await self.open_port()
        except BaseException:
            await self._runner.cleanup()
            raise

        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()


@asynccontextmanager
async def serve(app: web.Application, tls: TlsFiles | None = None) -> AsyncIterator[str]:
    """Serve the application until the block ends; yields its URL, without a trailing slash."""
    async with Server(app, tls) as server:
        yield server.url


def _context(tls: TlsFiles) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tls.cert, tls.key)
    return context
