"""A proxy before the emulator, for the app's own clients: now and then its answer is odd.

A gateway, a captive portal, a proxy with a fault: the status says that all is well, and the body
or the ETag that should come with it is not there. Signatures cover the path, not the host, so a
client signs as if nothing were in between.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from yarl import URL

from local.server import serve

_HTML = b"<html><body>Sign in to the network.</body></html>"
_HOP_BY_HOP = frozenset(
    {"host", "connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}
)
_DIGEST = re.compile(rb"(?:request-|due-\w+-)([0-9a-f]{64})")
_ETAG = re.compile(
    rb'^ETag:[^\r\n]*\r\n|"odata\.etag":"(?:[^"\\]|\\.)*",?', re.IGNORECASE | re.MULTILINE
)


class Oddity(StrEnum):
    """What is odd about a 2xx."""

    EMPTY = "no body"
    HTML = "HTML"
    NEVER_ARRIVED = "HTML, and the call never arrived"
    CUT = "half of the body"
    NO_ETAG = "no ETag"


@dataclass(frozen=True, slots=True)
class OddAnswer:
    """One of them: when, and the digests of the requests that the call was about."""

    at: float
    oddity: Oddity
    digests: frozenset[str]


class StorageProxy:
    """Forwards to one service. `draw` says what is odd about its n-th answer, if anything."""

    def __init__(
        self,
        target: str,
        session: aiohttp.ClientSession,
        clock: Callable[[], float],
        draw: Callable[[int], Oddity | None],
    ) -> None:
        parts = urlsplit(target)
        self.url = ""
        self.account = parts.path
        self.odd: list[OddAnswer] = []
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._session = session
        self._clock = clock
        self._draw = draw
        self._calls = 0
        self._under_way = 0
        self._is_open = asyncio.Event()
        self._is_open.set()
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Nothing passes until the block ends; what has passed is done when it begins."""
        self._is_open.clear()
        try:
            await self._is_idle.wait()
            yield
        finally:
            self._is_open.set()

    async def forward(self, request: web.Request) -> web.StreamResponse:
        """Pass one call on, and its answer back."""
        body = await request.read()
        await self._is_open.wait()
        self._under_way += 1
        self._is_idle.clear()
        try:
            return await self._forward(request, body)
        except aiohttp.ClientError:
            if request.transport is not None:
                request.transport.abort()

            return web.Response()
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._is_idle.set()

    async def _forward(self, request: web.Request, body: bytes) -> web.Response:
        oddity = self._draw(self._calls)
        self._calls += 1
        if oddity:
            about = frozenset(d.decode() for d in _DIGEST.findall(request.raw_path.encode() + body))
            self.odd.append(OddAnswer(self._clock(), oddity, about))

        if oddity is Oddity.NEVER_ARRIVED:
            return web.Response(body=_HTML, content_type="text/html")

        async with self._session.request(
            request.method,
            URL(f"{self._origin}{request.raw_path}", encoded=True),
            headers=_end_to_end(request.headers.items()),
            data=body,
            allow_redirects=False,
        ) as answer:
            content, headers = await answer.read(), _end_to_end(answer.headers.items())

        match oddity:
            case Oddity.EMPTY:
                content = b""
            case Oddity.HTML:
                headers = [*_without(headers, "content-type"), ("Content-Type", "text/html")]
                content = _HTML
            case Oddity.CUT:
                content = content[: len(content) // 2]
            case Oddity.NO_ETAG:
                headers, content = _without(headers, "etag"), _ETAG.sub(b"", content)

        has_body = answer.status not in (204, 304)
        return web.Response(
            status=answer.status, body=content if has_body else None, headers=headers
        )


def _end_to_end(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers if name.lower() not in _HOP_BY_HOP]


def _without(headers: list[tuple[str, str]], name: str) -> list[tuple[str, str]]:
    return [header for header in headers if header[0].lower() != name]


@dataclass(frozen=True, slots=True)
class Proxies:
    """The two services that the app uses, each behind a proxy."""

    queue: StorageProxy
    table: StorageProxy

    @property
    def odd(self) -> tuple[OddAnswer, ...]:
        """All odd answers that there were."""
        return tuple(sorted([*self.queue.odd, *self.table.odd], key=lambda odd: odd.at))

    def connection_string(self, direct: str) -> str:
        """The emulator's connection string with the proxies in place of the two services."""
        parts = dict(part.split("=", 1) for part in direct.rstrip(";").split(";"))
        parts |= {"QueueEndpoint": self.queue.url, "TableEndpoint": self.table.url}
        return ";".join(f"{name}={value}" for name, value in parts.items())


@asynccontextmanager
async def open_proxies(
    queue_target: str,
    table_target: str,
    clock: Callable[[], float],
    draw: Callable[[str, int], Oddity | None],
) -> AsyncIterator[Proxies]:
    """Both proxies, until the block ends; `draw` is told the service, too."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(
            aiohttp.ClientSession(
                auto_decompress=False,
                skip_auto_headers=("Content-Type", "Accept", "User-Agent"),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        )

        async def open_proxy(service: str, target: str) -> StorageProxy:
            proxy = StorageProxy(target, session, clock, lambda number: draw(service, number))
            app = web.Application(client_max_size=16 * 1024 * 1024)
            app.router.add_route("*", "/{rest:.*}", proxy.forward)
            proxy.url = await stack.enter_async_context(serve(app)) + proxy.account
            return proxy

        queue = await open_proxy("queue", queue_target)
        table = await open_proxy("table", table_target)
        yield Proxies(queue, table)
