"""What stands in for an aiohttp session under `httpx_aiohttp`, which then runs as it is.

It tells the session's trace when a request's first byte leaves, and raises what aiohttp raises.
"""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace, TracebackType
from typing import Any, Self

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from simulation.transports import Exchange
from simulation.wire import BrokenOffError, NotConnectedError, Request, Response

BROKEN_OFF = b"\0broken off"  # at the end of a body: the connection went before the rest came


class Session:
    """A session of the simulated network; `httpx_aiohttp` calls it to get at it."""

    def __init__(self, exchange: Exchange, **options: Any) -> None:
        self._exchange = exchange
        self._traces: list[aiohttp.TraceConfig] = options.get("trace_configs", [])

    def __call__(self) -> Self:
        """Itself: what `httpx_aiohttp` asks for before each request."""
        return self

    def request(self, method: str, url: str, **options: Any) -> "_Pending":
        """Sends a request once it is entered."""
        return _Pending(self, method, url, options)

    async def send(self, method: str, url: str, options: dict[str, Any]) -> "_Received":
        """One request. Raises aiohttp.ClientError."""
        headers = {name.lower(): value for name, value in dict(options["headers"]).items()}
        request = Request(method, url, headers, options["data"] or b"")

        async def leaves() -> None:
            parameters = aiohttp.TraceRequestHeadersSentParams(method, URL(url), CIMultiDict())
            for trace in self._traces:
                for observe in trace.on_request_headers_sent:
                    await observe(self, SimpleNamespace(), parameters)  # type: ignore[arg-type]

        try:
            async with asyncio.timeout(options["timeout"].sock_read):
                response = await self._exchange(request, leaves)
        except NotConnectedError as error:
            refused: Any = OSError(111, "connection refused")
            raise aiohttp.ClientConnectorError(_key(request.host), refused) from error
        except BrokenOffError as error:
            raise aiohttp.ServerDisconnectedError from error
        except TimeoutError as error:
            raise aiohttp.SocketTimeoutError from error
        return _Received(response)


class _Pending:
    """A request that is sent when its block is entered, as aiohttp has it."""

    def __init__(self, session: Session, method: str, url: str, options: dict[str, Any]) -> None:
        self._session, self._sent = session, (method, url, options)

    async def __aenter__(self) -> "_Received":
        return await self._session.send(*self._sent)


class _Received:
    """What aiohttp would hand over."""

    def __init__(self, response: Response) -> None:
        self.status, self.reason = response.status, response.reason
        self.raw_headers = [(k.encode(), v.encode()) for k, v in response.headers.items()]
        self.content = self
        self._body = response.body

    async def iter_chunked(self, _size: int) -> AsyncIterator[bytes]:
        """The body; where it ends in the mark, it breaks off."""
        whole = self._body.removesuffix(BROKEN_OFF)
        if whole:
            yield whole
        if len(whole) < len(self._body):
            raise aiohttp.ClientPayloadError

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to close."""


def _key(host: str) -> Any:
    return aiohttp.client_reqrep.ConnectionKey(host, 443, True, True, None, None, None)
