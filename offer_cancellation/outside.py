"""Names what the app reaches the outside with: the libraries' own, or a simulation's."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import httpx
from azure.core.pipeline.transport import AsyncHttpTransport

from offer_cancellation.credential import steady_time


@dataclass(frozen=True, slots=True)
class Outside:
    """What carries requests, and the clock of tokens (seconds since the epoch)."""

    azure: AsyncHttpTransport[Any, Any] | None = None  # None: each client makes its own
    session: Callable[..., aiohttp.ClientSession] = aiohttp.ClientSession
    ssl_context: Callable[[], ssl.SSLContext] = httpx.create_ssl_context
    steady_clock: Callable[[], float] = steady_time


OUTSIDE = Outside()
