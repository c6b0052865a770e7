"""A proxy before one storage service: it notes what passes, and loses what it is told to.

Shared-key signatures cover the path, not the host: a client signs as if the proxy were not there.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum, auto
from urllib.parse import unquote_plus, urlsplit

import aiohttp
from aiohttp import web
from yarl import URL

from local.server import serve
from tests.integration.harness import Harness

_HOP_BY_HOP = frozenset(
    {"host", "connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}
)


class Loss(Enum):
    """What gets lost on the way."""

    REQUEST = auto()  # the service never sees it
    REPLY = auto()  # carried out, but nobody hears of it


class FaultyProxy:
    """Forwards to one service. `requests` is what came in, as `METHOD /path`."""

    def __init__(self, target: str, session: aiohttp.ClientSession) -> None:
        parts = urlsplit(target)
        self.url = ""
        self.account = parts.path
        self.requests: list[str] = []
        self.bodies: list[bytes] = []
        self.down = False
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._session = session
        self._losses: list[tuple[str, Loss | None]] = []
        self._interruptions: list[tuple[str, Callable[[], Awaitable[object]]]] = []

    def lose(self, fragment: str, loss: Loss, times: int = 1) -> None:
        """Loses the next requests whose `METHOD /path` holds the fragment, or their replies."""
        self._losses += [(fragment, loss)] * times

    def lose_after(self, fragment: str, spared: int, loss: Loss) -> None:
        """Lets some such requests pass, and loses the one that follows."""
        self._losses += [*[(fragment, None)] * spared, (fragment, loss)]

    def interrupt(self, fragment: str, action: Callable[[], Awaitable[object]]) -> None:
        """Does something just before the next such request reaches the service."""
        self._interruptions.append((fragment, action))

    def heal(self) -> None:
        """Loses nothing more."""
        self.down = False
        self._losses.clear()

    async def forward(self, request: web.Request) -> web.StreamResponse:
        """Passes one request on, unless it is to get lost."""
        name = f"{request.method} {unquote_plus(request.path_qs)}"
        body = await request.read()
        self.requests.append(name)
        self.bodies.append(body)
        for interruption in [one for one in self._interruptions if one[0] in name][:1]:
            self._interruptions.remove(interruption)
            await interruption[1]()

        loss = Loss.REQUEST if self.down else self._loss(name)
        if loss is Loss.REQUEST:
            return _hang_up(request)
        async with self._session.request(
            request.method,
            URL(f"{self._origin}{request.raw_path}", encoded=True),
            headers=_end_to_end(request.headers.items()),
            data=body,
            allow_redirects=False,
        ) as answer:
            content = await answer.read()
            headers = _end_to_end(answer.headers.items())
        if loss is Loss.REPLY:
            return _hang_up(request)
        return web.Response(status=answer.status, body=content, headers=headers)

    def _loss(self, name: str) -> Loss | None:
        for index, (fragment, loss) in enumerate(self._losses):
            if fragment in name:
                del self._losses[index]
                return loss
        return None


def _end_to_end(headers: object) -> list[tuple[str, str]]:
    assert hasattr(headers, "__iter__")
    return [(name, value) for name, value in headers if name.lower() not in _HOP_BY_HOP]


def _hang_up(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


@asynccontextmanager
async def faulty_proxy(target: str) -> AsyncIterator[FaultyProxy]:
    """A proxy before the service at `target`, until the block ends."""
    app = web.Application(client_max_size=16 * 1024 * 1024)
    async with aiohttp.ClientSession(
        auto_decompress=False, skip_auto_headers=("Content-Type", "Accept", "User-Agent")
    ) as session:
        proxy = FaultyProxy(target, session)
        app.router.add_route("*", "/{rest:.*}", proxy.forward)
        async with serve(app) as url:
            proxy.url = f"{url}{proxy.account}"
            yield proxy


@dataclass(frozen=True, slots=True)
class Proxied:
    """An app whose storage is reached through two proxies."""

    harness: Harness
    table: FaultyProxy
    queue: FaultyProxy
