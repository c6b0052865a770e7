"""The bearer token, attached to a request for the API's own origin and to no other."""

from collections.abc import AsyncGenerator

import httpx
from azure.core.credentials import AccessToken

from offer_cancellation.credential import SteadyCredential

SENT = "offer_cancellation.sent"  # a request extension: a list, filled once the request goes out


class ManagedIdentityAuth(httpx.Auth):
    """Attaches a managed identity's token. Raises credential.TokenUnavailableError."""

    def __init__(self, credential: SteadyCredential, scope: str, origin: httpx.URL) -> None:
        self._credential = credential
        self._scope = scope
        self._origin = _origin(origin)

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Attaches the token. Raises ValueError for a URL of another origin."""
        if _origin(request.url) != self._origin:
            raise ValueError("a token was about to leave for another origin")
        token = await self._credential.get_token(self._scope)
        request.headers["Authorization"] = f"Bearer {token.token}"
        request.extensions.get(SENT, []).append(token)
        yield request

    async def renew(self, rejected: AccessToken) -> None:
        """Makes sure that the next request carries another token than the rejected one."""
        await self._credential.renew(self._scope, rejected=rejected)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
