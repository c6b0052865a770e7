"""The identity endpoint: issues tokens for a resource, and knows which of them are still good."""

import json
from collections.abc import Callable
from urllib.parse import urlsplit

from simulation.wire import Request, Response

ENDPOINT = "http://identity.simulated/token"
HEADER = "simulated-identity-header"
HOST = urlsplit(ENDPOINT).netloc
ENVIRONMENT = {"IDENTITY_ENDPOINT": ENDPOINT, "IDENTITY_HEADER": HEADER}


class Identity:
    """Issues tokens; `now` gives seconds since the epoch, `lifetime` seconds a token lives."""

    def __init__(self, now: Callable[[], float], lifetime: float) -> None:
        self._now = now
        self._lifetime = lifetime
        self._good: dict[str, tuple[str, float]] = {}
        self._count = 0

    def __call__(self, request: Request) -> Response:
        """Answers one request for a token."""
        if request.headers.get("x-identity-header") != HEADER:
            return Response(401, {"Content-Type": "application/json"}, b"{}")

        self._count += 1
        resource = request.query["resource"]
        token, expires = f"token-{self._count}-for-{resource}", self._now() + self._lifetime
        self._good[token] = resource.rstrip("/"), expires
        answer = {
            "access_token": token,
            "expires_on": str(int(expires)),
            "resource": resource,
            "token_type": "Bearer",
        }
        return Response(200, {"Content-Type": "application/json"}, json.dumps(answer).encode())

    def is_good(self, token: str | None, resource: str) -> bool:
        """Whether the token was issued for the resource, and is neither expired nor revoked."""
        audience, expires = self._good.get(token or "", ("", 0.0))
        return audience == resource and expires > self._now()

    def revoke(self) -> int:
        """Ends every token; how many that were."""
        count = len(self._good)
        self._good.clear()
        return count
