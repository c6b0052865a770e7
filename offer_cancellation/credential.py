"""Managed-identity tokens that outlive short outages of the identity endpoint.

`ManagedIdentityCredential` caches, but fifty cold callers make fifty requests, and once half of a
long token's life is over an unreachable endpoint makes it raise although the token is still good.
`SteadyCredential` stands in front: one refresh at a time, a token used until it really expires.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Self

from azure.core.credentials import AccessToken
from azure.core.credentials_async import AsyncTokenCredential
from azure.identity.aio import ManagedIdentityCredential

from offer_cancellation import log, telemetry
from offer_cancellation.errors import TokenUnavailableError

logger = logging.getLogger(__name__)

LAST_SECONDS = 10  # a token this close to its end may expire on its way
EARLY_SECONDS = 600  # a refresh is tried from here on, while the old token still serves
RETRY_SECONDS = 30  # from one try to the next early one


class SteadyCredential:
    """An `AsyncTokenCredential` with a cache of its own, for one identity.

    `source` issues the tokens; `clock` gives seconds since the epoch.
    """

    def __init__(
        self, source: AsyncTokenCredential, clock: Callable[[], float] = time.time
    ) -> None:
        self._source = source
        self._clock = clock
        self._tokens: dict[tuple[str, ...], AccessToken] = {}
        self._locks: dict[tuple[str, ...], asyncio.Lock] = {}
        self._not_before: dict[tuple[str, ...], float] = {}
        self._refreshes: dict[tuple[str, ...], asyncio.Task[None]] = {}

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:  # noqa: ANN401
        """A token for the scopes, from the cache as long as it holds.

        Raises TokenUnavailableError. `claims` asks for a fresh one (RFC 9470's challenge).
        """
        token = self._usable(scopes)
        if options.get("claims"):
            return await self.renew(*scopes, rejected=token)
        if token is None:
            async with self._lock(scopes):
                return self._usable(scopes) or await self._fetch(scopes)
        if self._is_early(scopes, token) and scopes not in self._refreshes:
            self._refreshes[scopes] = asyncio.create_task(self._refresh(scopes))
        return token

    async def _refresh(self, scopes: tuple[str, ...]) -> None:
        """In the background: whoever has a token that holds does not wait for the next one."""
        try:
            async with self._lock(scopes):
                await self._fetch(scopes)
        except TokenUnavailableError:
            pass  # logged; the old token holds, and the next caller tries again
        finally:
            del self._refreshes[scopes]

    async def renew(self, *scopes: str, rejected: AccessToken | None) -> AccessToken:
        """A token other than the one that the API just rejected.

        Callers rejected together share one refresh. Raises TokenUnavailableError.
        """
        async with self._lock(scopes):
            token = self._usable(scopes)
            if token and rejected and token.token != rejected.token:
                return token
            return await self._fetch(scopes, claims="{}")  # goes past the source's own cache

    async def close(self) -> None:
        """Closes the source, once nobody asks it any more."""
        tasks = list(self._refreshes.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._source.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _lock(self, scopes: tuple[str, ...]) -> asyncio.Lock:
        return self._locks.setdefault(scopes, asyncio.Lock())

    def _usable(self, scopes: tuple[str, ...]) -> AccessToken | None:
        token = self._tokens.get(scopes)
        return token if token and token.expires_on - self._clock() > LAST_SECONDS else None

    def _is_early(self, scopes: tuple[str, ...], token: AccessToken) -> bool:
        now = self._clock()
        return token.expires_on - now < EARLY_SECONDS and now >= self._not_before.get(scopes, 0)

    async def _fetch(self, scopes: tuple[str, ...], claims: str | None = None) -> AccessToken:
        self._not_before[scopes] = self._clock() + RETRY_SECONDS
        try:
            token = await self._source.get_token(*scopes, claims=claims)
        except Exception as fault:  # also a bare KeyError when the reply lacks a field
            log.event(
                logger, "token.unavailable", logging.WARNING, scope=scopes[0],
                **log.fault_fields(fault),
            )  # fmt: skip
            telemetry.token_failed()
            raise TokenUnavailableError(
                f"no token for {scopes[0]}: {type(fault).__name__} from the identity endpoint"
            ) from fault
        self._tokens[scopes] = token
        return token


class Credentials:
    """One credential per client id, all for one event loop."""

    def __init__(self) -> None:
        self._by_client_id: dict[str | None, SteadyCredential] = {}

    def of(self, client_id: str | None) -> SteadyCredential:
        """The managed identity with that client id; None: the system-assigned one."""
        if client_id not in self._by_client_id:
            identity = ManagedIdentityCredential(
                client_id=client_id, connection_timeout=5, read_timeout=10, retry_total=2
            )
            self._by_client_id[client_id] = SteadyCredential(identity)
        return self._by_client_id[client_id]

    async def close(self) -> None:
        """Closes every credential."""
        for credential in self._by_client_id.values():
            await credential.close()
