"""The App Service identity endpoint, played well enough for the real credential to run unchanged.

It issues tokens to callers that know its header and says whether a token is still good. It knows no
roles, and its signature is a shared secret: nothing outside this process could check it.
"""

import secrets
import time
import uuid
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import jwt
from aiohttp import web

from local.server import serve

API_VERSION = "2019-08-01"
TENANT = "11111111-1111-1111-1111-111111111111"
SYSTEM_ASSIGNED = "22222222-2222-2222-2222-222222222222"
ISSUER = f"https://sts.windows.net/{TENANT}/"


class Identity:
    """The endpoint, the tokens it issued, and the ways in which it can fail."""

    def __init__(self, lifetime_seconds: int = 86400) -> None:
        self.lifetime_seconds = lifetime_seconds
        self.down = False
        self.requests = 0
        self.resources: list[str] = []  # that tokens were issued for, in order
        self.header = secrets.token_hex(16)
        self.url = ""
        self._key = secrets.token_bytes(32)
        self._good: set[str] = set()
        self._stack = AsyncExitStack()

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to find this endpoint."""
        return {"IDENTITY_ENDPOINT": self.url, "IDENTITY_HEADER": self.header}

    def issue(self, resource: str, client_id: str | None = None) -> tuple[str, int]:
        """Issue a token for the resource; returns it and the time at which it expires."""
        now = int(time.time())
        expires = now + self.lifetime_seconds
        token_id = str(uuid.uuid4())
        claims = {
            "iss": ISSUER,
            "aud": resource,
            "iat": now,
            "nbf": now,
            "exp": expires,
            "tid": TENANT,
            "appid": client_id or SYSTEM_ASSIGNED,
            "jti": token_id,
        }
        self._good.add(token_id)
        return jwt.encode(claims, self._key, algorithm="HS256"), expires

    def verify(self, token: str, audience: str) -> str | None:
        """Return None for a good token, else what is wrong with it."""
        bare = audience.rstrip("/")
        try:
            claims = jwt.decode(
                token, self._key, algorithms=["HS256"], audience=[bare, f"{bare}/"], issuer=ISSUER
            )
        except jwt.InvalidTokenError as error:
            return str(error)

        return None if claims["jti"] in self._good else "the token was revoked"

    def token_id(self, token: str) -> str | None:
        """Return the id (jti) of a token this endpoint issued, good or not."""
        return self._claim(token, "jti")

    def client_id_of(self, token: str) -> str | None:
        """Return whom a token of this endpoint was issued to (appid), good or not."""
        return self._claim(token, "appid")

    def revoke_all(self) -> None:
        """Refuse, from now on, every token issued so far."""
        self._good.clear()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/msi/token", self._answer)
        self.url = f"{await self._stack.enter_async_context(serve(app))}/msi/token"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    def _claim(self, token: str, name: str) -> str | None:
        options: jwt.types.Options = {"verify_aud": False, "verify_exp": False}
        try:
            claims = jwt.decode(token, self._key, algorithms=["HS256"], options=options)
        except jwt.InvalidTokenError:
            return None

        return str(claims[name])

    async def _answer(self, request: web.Request) -> web.Response:
        self.requests += 1
        if self.down:
            return web.json_response(_error(503, "the identity endpoint is down"), status=503)

        if fault := self._fault(request):
            return web.json_response(_error(400, fault), status=400)

        resource = request.query["resource"]
        self.resources.append(resource)
        token, expires = self.issue(resource, request.query.get("client_id"))
        return web.json_response(
            {
                "access_token": token,
                "expires_on": str(expires),
                "resource": resource,
                "token_type": "Bearer",
            }
        )

    def _fault(self, request: web.Request) -> str | None:
        if request.headers.get("X-IDENTITY-HEADER") != self.header:
            return "the header X-IDENTITY-HEADER is missing or wrong"

        if request.query.get("api-version") != API_VERSION:
            return f"the api-version must be {API_VERSION}"

        if not request.query.get("resource", "").startswith(("https://", "api://")):
            return "the query needs a resource, an https or api URI"

        if request.query.get("client_id") == "":
            return "the client_id is empty"

        return None


def _error(status: int, message: str) -> dict[str, object]:
    return {"statusCode": status, "message": message}
