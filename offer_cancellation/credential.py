"""Managed-identity tokens that outlive short outages of the identity endpoint.

`ManagedIdentityCredential` caches, but fifty cold callers make fifty requests, and once half of a
long token's life is over an unreachable endpoint makes it raise although the token is still good.
`SteadyCredential` stands in front: one request at a time for a scope, whose result all who wait
share, its failure too; and a token is used until it really expires.
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from azure.core.credentials import AccessToken
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.identity.aio import ManagedIdentityCredential

from offer_cancellation import log, telemetry
from offer_cancellation.errors import TokenUnavailableError
from offer_cancellation.text import fit

logger = logging.getLogger(__name__)

LAST_SECONDS = 10  # a token this close to its end may expire on its way
EARLY_SECONDS = 600  # a refresh is tried from here on, while the old token still serves
RETRY_SECONDS = 30  # from one try to the next early one, and from one renewal to the next
_REASON_LIMIT = 1000  # characters that are kept of what the identity answered
_STARTED_AT = time.time() - time.monotonic()

Scopes = tuple[str, ...]


def steady_time() -> float:
    """Seconds since the epoch, of a clock that nobody can set back while the process lives."""
    return _STARTED_AT + time.monotonic()


@dataclass(frozen=True, slots=True)
class _Held:
    """A token and the times, by the credential's clock, until when it serves without a refresh."""

    token: AccessToken
    usable_until: float
    fresh_until: float

    @classmethod
    def since(cls, token: AccessToken, now: float) -> Self:
        """A token that was issued just now; a short one serves half of its life."""
        half_life = (token.expires_on - now) / 2
        return cls(
            token,
            usable_until=token.expires_on - min(LAST_SECONDS, half_life),
            fresh_until=token.expires_on - min(EARLY_SECONDS, half_life),
        )


class SteadyCredential:
    """An `AsyncTokenCredential` with a cache of its own, for one identity.

    `source` issues the tokens; `clock` gives seconds since the epoch.
    """

    def __init__(
        self, source: AsyncTokenCredential, clock: Callable[[], float] = steady_time
    ) -> None:
        self._source = source
        self._clock = clock
        self._held: dict[Scopes, _Held] = {}
        self._flights: dict[Scopes, asyncio.Task[AccessToken | TokenUnavailableError]] = {}
        self._refresh_from: dict[Scopes, float] = {}
        self._renew_from: dict[Scopes, float] = {}

    async def get_token(self, *scopes: str, **options: object) -> AccessToken:
        """A token for the scopes, from the cache as long as it holds.

        Raises TokenUnavailableError. `claims` asks for a fresh one (RFC 9470's challenge).
        """
        held = self._usable(scopes)
        if options.get("claims"):
            return await self.renew(*scopes, rejected=held.token if held else None)

        if held is None:
            return await self._fetch(scopes)

        now = self._clock()
        if now > held.fresh_until and now >= self._refresh_from.get(scopes, now):
            self._take_off(scopes)  # in the background: nobody waits while a token holds
        return held.token

    async def renew(self, *scopes: str, rejected: AccessToken | None) -> AccessToken:
        """A token other than the rejected one, or the rejected one where there is no other yet.

        It is renewed at most once in 30 s. Raises TokenUnavailableError.
        """
        if scopes in self._flights:
            await self._fetch(scopes)  # it may bring another token

        held, now = self._usable(scopes), self._clock()
        if held and rejected and held.token.token != rejected.token:
            return held.token

        if held and now < self._renew_from.get(scopes, now):
            return held.token

        return await self._fetch(scopes, claims="{}")  # goes past the source's own cache

    async def close(self) -> None:
        """Closes the source, once nothing asks it any more."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

        await self._source.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _usable(self, scopes: Scopes) -> _Held | None:
        held = self._held.get(scopes)
        return held if held and self._clock() < held.usable_until else None

    async def _fetch(self, scopes: Scopes, claims: str | None = None) -> AccessToken:
        """The result of the flight that is under way, or of a new one."""
        flight = self._flights.get(scopes) or self._take_off(scopes, claims)
        result = await asyncio.shield(flight)  # one who gives up waiting does not end it
        if isinstance(result, TokenUnavailableError):
            raise TokenUnavailableError(
                result.message, result.code, result.detail
            ) from result.__cause__

        return result

    def _take_off(
        self, scopes: Scopes, claims: str | None = None
    ) -> asyncio.Task[AccessToken | TokenUnavailableError]:
        if scopes not in self._flights:
            self._refresh_from[scopes] = self._clock() + RETRY_SECONDS
            self._flights[scopes] = asyncio.create_task(self._fly(scopes, claims))
        return self._flights[scopes]

    async def _fly(self, scopes: Scopes, claims: str | None) -> AccessToken | TokenUnavailableError:
        """Asks the source once; a failure is a value, since it may have many readers or none."""
        try:
            token = await self._source.get_token(*scopes, claims=claims)
            now = self._clock()
            self._held[scopes] = _Held.since(token, now)
            if claims:
                self._renew_from[scopes] = now + RETRY_SECONDS
        except Exception as failure:  # a bare KeyError when the reply lacks a field
            return _unavailable(scopes[0], failure)
        finally:
            del self._flights[scopes]

        return token


class Credentials:
    """One credential per client id, all for one event loop."""

    def __init__(
        self,
        transport: AsyncHttpTransport[Any, Any] | None = None,
        clock: Callable[[], float] = steady_time,
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._by_client_id: dict[str | None, SteadyCredential] = {}

    def of(self, client_id: str | None) -> SteadyCredential:
        """The managed identity with that client id; None: the system-assigned one."""
        if client_id not in self._by_client_id:
            identity = ManagedIdentityCredential(
                client_id=client_id,
                connection_timeout=5,
                read_timeout=10,
                retry_total=2,
                transport=self._transport,
            )
            self._by_client_id[client_id] = SteadyCredential(identity, self._clock)

        return self._by_client_id[client_id]

    async def close(self) -> None:
        """Closes every credential."""
        for credential in self._by_client_id.values():
            await credential.close()


def _unavailable(scope: str, failure: Exception) -> TokenUnavailableError:
    """What a failure of the source means, logged and counted."""
    name = type(failure).__name__
    # The text of other exceptions may quote a reply that nobody understood.
    reason = fit(failure.message, _REASON_LIMIT) if isinstance(failure, AzureError) else ""
    found = re.search(r"AADSTS\d+", reason)
    code = found[0] if found else name
    log.event(
        logger,
        "token.unavailable",
        logging.WARNING,
        scope=scope,
        code=code,
        reason=reason or None,
        **log.fault_fields(failure),
    )
    telemetry.token_failed()
    text = f"no token for {scope}: {name} from the identity endpoint"
    unavailable = TokenUnavailableError(text, code, reason)
    unavailable.__cause__ = failure
    return unavailable
