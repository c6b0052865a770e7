"""Transports of the SDKs and of httpx whose requests go to the simulated network.

What goes wrong there is raised as the real transports (both on aiohttp) raise it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

import aiohttp
import httpx
from azure.core.exceptions import (
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseTimeoutError,
)
from azure.core.pipeline.transport import AioHttpTransportResponse, AsyncHttpTransport
from azure.core.rest._aiohttp import RestAioHttpTransportResponse
from httpx_aiohttp.transport import map_aiohttp_exceptions

from simulation.wire import BrokenOffError, NotConnectedError, Request, Response

Exchange = Callable[[Request], Awaitable[Response]]
"""Sends a request and waits for its response.

Raises BrokenOffError, NotConnectedError, TimeoutError.
"""

_CONNECT_SECONDS, _READ_SECONDS = 300, 300  # the SDKs' defaults


class AzureTransport(AsyncHttpTransport[Any, Any]):
    """What carries the requests of `azure-*` clients."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def send(self, request: Any, **options: Any) -> Any:  # noqa: ANN401 - two generations
        """Sends one request. Raises azure.core.exceptions.AzureError."""
        seconds = options.get("read_timeout", _READ_SECONDS)
        try:
            async with asyncio.timeout(seconds):
                response = await self._exchange(_of_azure(request))
        except NotConnectedError as error:
            if str(error) == "timeout":
                raise ServiceRequestTimeoutError("connection timeout") from error
            raise ServiceRequestError("connection refused") from error
        except BrokenOffError as error:
            raise ServiceRequestError("server disconnected") from error
        except TimeoutError as error:
            raise ServiceResponseTimeoutError("timeout on reading") from error

        internal: Any = _Received(response)
        if hasattr(request, "content"):
            rest = RestAioHttpTransportResponse(
                request=request, internal_response=internal, block_size=4096, decompress=False
            )
            if not options.get("stream"):
                await rest.read()
            return rest

        old = AioHttpTransportResponse(request, internal, 4096, decompress=False)
        await old.load_body()
        return old

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        """Nothing to close."""


class HttpxTransport(httpx.AsyncBaseTransport):
    """What carries the requests of an httpx client, in place of `httpx_aiohttp`'s transport."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends one request. Raises httpx.HTTPError."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        sent = Request(request.method, str(request.url), headers, await request.aread())
        seconds = request.extensions.get("timeout", {}).get("read")
        with map_aiohttp_exceptions():
            try:
                async with asyncio.timeout(seconds):
                    response = await self._exchange(sent)
            except NotConnectedError as error:
                refused: Any = OSError(111, "connection refused")
                raise aiohttp.ClientConnectorError(_key(), refused) from error
            except BrokenOffError as error:
                raise aiohttp.ServerDisconnectedError from error
            except TimeoutError as error:
                raise aiohttp.SocketTimeoutError from error

        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Stream(response.body),
            request=request,
        )


class _Stream(httpx.AsyncByteStream):
    """A body that breaks off where it ends in the mark of one."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> Any:  # noqa: ANN401 - an async generator
        whole = self._body.removesuffix(BROKEN_OFF)
        if whole:
            yield whole
        if len(whole) < len(self._body):
            with map_aiohttp_exceptions():
                raise aiohttp.ClientPayloadError


BROKEN_OFF = b"\0broken off"  # at the end of a body: the connection went before the rest came


class _Received:
    """What aiohttp would hand over."""

    def __init__(self, response: Response) -> None:
        self.status, self.reason = response.status, response.reason
        self.headers = response.headers
        self._body = response.body

    async def read(self) -> bytes:
        return self._body

    def close(self) -> None:
        """Nothing to close."""


def _of_azure(request: Any) -> Request:  # noqa: ANN401 - two generations
    body = request.content if hasattr(request, "content") else request.body
    body = body.encode() if isinstance(body, str) else body or b""
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Request(request.method, request.url, headers, body)


def _key() -> Any:  # noqa: ANN401 - aiohttp's own class, which only its text uses
    return aiohttp.client_reqrep.ConnectionKey("api", 443, True, True, None, None, None)
