"""A transport of the Azure SDKs whose requests go to the simulated network.

What goes wrong there is raised as the real transport (on aiohttp) raises it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

from azure.core.exceptions import (
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseTimeoutError,
)
from azure.core.pipeline.transport import AioHttpTransportResponse, AsyncHttpTransport
from azure.core.rest._aiohttp import RestAioHttpTransportResponse

from simulation.wire import BrokenOffError, NotConnectedError, Request, Response

Exchange = Callable[..., Awaitable[Response]]
"""Sends a request and waits for its response; a second argument is awaited as it leaves.

Raises BrokenOffError, NotConnectedError, TimeoutError.
"""


READ_SECONDS = 10.0  # as the app asks of each of its Azure clients


class AzureTransport(AsyncHttpTransport[Any, Any]):
    """What carries the requests of `azure-*` clients."""

    def __init__(self, exchange: Exchange, read_timeout: float = READ_SECONDS) -> None:
        self._exchange = exchange
        self._read_timeout = read_timeout

    async def send(self, request: Any, **options: Any) -> Any:
        """Sends one request. Raises azure.core.exceptions.AzureError."""
        seconds = options.get("read_timeout", self._read_timeout)
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


def _of_azure(request: Any) -> Request:
    body = request.content if hasattr(request, "content") else request.body
    body = body.encode() if isinstance(body, str) else body or b""
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Request(request.method, request.url, headers, body)
