"""What carries requests to the outside, where it is not the libraries' own connections.

The app runs on the libraries' own. Only whoever runs it without a network (`simulation/`) hands in
others.
"""

from dataclasses import dataclass

import httpx
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest

AzureTransport = AsyncHttpTransport[HttpRequest, AsyncHttpResponse]


@dataclass(frozen=True, slots=True)
class Transports:
    """A transport for storage, for the identity endpoint, for the API; None: the library's own."""

    storage: AzureTransport | None = None
    identity: AzureTransport | None = None
    api: httpx.AsyncBaseTransport | None = None


OWN = Transports()
