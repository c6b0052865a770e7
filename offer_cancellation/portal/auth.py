"""Attaches the bearer token to requests for the API's own origin, and to no others."""

from collections.abc import AsyncGenerator

import httpx
from azure.core.credentials import AccessToken

from offer_cancellation.credential import SteadyCredential

TOKENS = "offer_cancellation.tokens"  # a request extension: a list of the tokens it went out with


class ManagedIdentityAuth(httpx.Auth):
    """Attaches the app's token for the API. Raises errors.TokenUnavailableError."""

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
        request.extensions.get(TOKENS, []).append(token)
        yield request

    async def has_other(self, rejected: AccessToken) -> bool:
        """Whether there is another token than the rejected one: a fresh one where it may be had.

        Raises errors.TokenUnavailableError.
        """
        token = await self._credential.renew(self._scope, rejected=rejected)
        return token.token != rejected.token


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
