"""Entra's token endpoint, played well enough for an application to sign in without a secret.

It knows one application, whose federated credential trusts one identity of the identity endpoint.
It answers `POST /{tenant}/oauth2/v2.0/token` as Entra does, errors with their AADSTS codes, too. It
speaks TLS, since azure-identity speaks to nothing else.
"""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from aiohttp import web

from local.identity import TENANT, Identity
from local.server import serve
from local.tls import TlsFiles

APP_ID = "55555555-5555-5555-5555-555555555555"
EXCHANGE_AUDIENCE = "api://AzureADTokenExchange"

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class TokenError:
    """An answer that gives no token: RFC 6749's error, and Entra's words for it."""

    status: int
    error: str
    description: str
    headers: tuple[tuple[str, str], ...] = ()


class TokenEndpoint:
    """The endpoint, which scopes it issued tokens for, and how it is to fail.

    `trusted`: the client id of the identity that the application's federated credential names.
    """

    def __init__(self, identity: Identity, tls: TlsFiles, trusted: str) -> None:
        self.error: TokenError | None = None
        self.requests = 0
        self.issued: dict[str, str] = {}  # the ids of the tokens, and their scopes
        self.url = ""
        self._identity = identity
        self._tls = tls
        self._trusted = trusted
        self._stack = AsyncExitStack()

    @property
    def environment(self) -> dict[str, str]:
        """What azure-identity needs in its environment to find this endpoint and to believe it."""
        return {"AZURE_AUTHORITY_HOST": self.url, "SSL_CERT_FILE": str(self._tls.authority)}

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/{tenant}/oauth2/v2.0/token", self._answer)
        self.url = await self._stack.enter_async_context(serve(app, self._tls))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def _answer(self, request: web.Request) -> web.Response:
        self.requests += 1
        form = {name: str(value) for name, value in (await request.post()).items()}
        error = self.error or self._check(request.match_info["tenant"], form)
        if error:
            return web.json_response(
                {"error": error.error, "error_description": error.description},
                status=error.status,
                headers=dict(error.headers),
            )

        scope = form["scope"]
        token, _ = self._identity.issue(scope.removesuffix("/.default"), form["client_id"])
        self.issued[str(self._identity.token_id(token))] = scope
        lifetime = self._identity.lifetime_seconds

        return web.json_response(
            {"token_type": "Bearer", "expires_in": lifetime, "access_token": token}
        )

    def _check(self, tenant: str, form: dict[str, str]) -> TokenError | None:
        client_id, scope = form.get("client_id", ""), form.get("scope", "")
        if tenant != TENANT:
            text = f"AADSTS90002: Tenant '{tenant}' not found."
            return TokenError(400, "invalid_request", text)

        if form.get("grant_type") != "client_credentials":
            text = "AADSTS70003: The app requested an unsupported grant type."
            return TokenError(400, "unsupported_grant_type", text)

        if client_id != APP_ID:
            text = f"AADSTS700016: Application with identifier '{client_id}' was not found."
            return TokenError(400, "unauthorized_client", text)

        if not scope.endswith("/.default") or " " in scope:
            text = f"AADSTS1002012: The provided value for scope {scope} is not valid."
            return TokenError(400, "invalid_scope", text)

        return self._check_assertion(form)

    def _check_assertion(self, form: dict[str, str]) -> TokenError | None:
        if form.get("client_assertion_type") != _ASSERTION_TYPE or "client_assertion" not in form:
            text = "AADSTS7000218: The request body must contain 'client_assertion'."
            return TokenError(401, "invalid_client", text)

        assertion = form["client_assertion"]
        if fault := self._identity.verify(assertion, EXCHANGE_AUDIENCE):
            text = f"AADSTS700212: The presented assertion does not match: {fault}."
            return TokenError(401, "invalid_client", text)

        if (subject := self._identity.client_id_of(assertion)) != self._trusted:
            text = (
                "AADSTS700213: No matching federated identity record found for presented assertion"
                f" subject '{subject}'."
            )
            return TokenError(401, "invalid_client", text)

        return None
