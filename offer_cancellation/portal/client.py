"""The API's calls, each with its whole time bounded, its body bounded, and no redirect followed.

A call ends in a value (`Answer` or `NoAnswer`), never in an exception of the network's. One client
a process, bound to the event loop that made it.
"""

import asyncio
import json
import logging
import math
from collections.abc import Callable
from datetime import datetime
from urllib.parse import quote

import aiohttp
import httpx
from azure.core.credentials import AccessToken
from httpx_aiohttp import AiohttpTransport

from offer_cancellation import log, telemetry
from offer_cancellation.backoff import Backoff
from offer_cancellation.clock import utc_now
from offer_cancellation.credential import SteadyCredential
from offer_cancellation.errors import TokenUnavailableError
from offer_cancellation.portal.answer import Answer, Cause, NoAnswer, Reply, retry_after
from offer_cancellation.portal.auth import SENT, ManagedIdentityAuth
from offer_cancellation.portal.throttle import Throttle
from offer_cancellation.settings import Settings

logger = logging.getLogger(__name__)

BODY_LIMIT = 1024 * 1024  # bytes that are read of a body
_HEADER_LIMIT = 65536  # bytes of one header: locations can be long
_NOTHING_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_UNAUTHORIZED, _TOO_MANY = 401, 429


class Portal:
    """The Cloud Partner Portal API, for one managed identity."""

    def __init__(
        self,
        settings: Settings,
        credential: SteadyCredential,
        backoff: Backoff,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._throttle = Throttle(backoff, clock)
        origin = httpx.URL(settings.api_url)
        self._auth = ManagedIdentityAuth(credential, settings.api_scope, origin)
        self._client = _http_client(settings)

    def url(self, target: str) -> str:
        """The whole URL of a path and query."""
        return self._settings.api_url + target

    async def cancel(self, publisher_id: str, offer_id: str, emails: str | None) -> Reply:
        """Cancels what runs for an offer: `POST …/offers/<offerId>/cancel`."""
        body = {"metadata": {"notification-emails": emails} if emails else {}}
        headers = {"Content-Type": "application/json"}
        if self._settings.api_if_match:
            headers["If-Match"] = self._settings.api_if_match
        target = self._target(publisher_id, offer_id, "cancel")
        return await self._call("POST", "cancel", target, headers, json.dumps(body).encode())

    async def operation(self, publisher_id: str, offer_id: str, operation_id: str) -> Reply:
        """Reads one operation of an offer: `GET …/operations/<operationId>`."""
        name = f"operations/{quote(operation_id, safe='$')}"
        return await self._call("GET", "operation", self._target(publisher_id, offer_id, name))

    async def running(self, publisher_id: str, offer_id: str) -> Reply:
        """Lists what runs for an offer: `GET …/submissions/?status=running`."""
        target = self._target(publisher_id, offer_id, "submissions/")
        return await self._call("GET", "submissions", f"{target}&status=running")

    async def submissions(self, publisher_id: str, offer_id: str, start_by: float) -> Reply:
        """Lists an offer's operations: `GET …/submissions/`, begun by that time of the loop's."""
        target = self._target(publisher_id, offer_id, "submissions/")
        return await self._call("GET", "submissions", target, start_by=start_by)

    async def read(self, target: str, start_by: float) -> Reply:
        """Reads a location that was found to be trusted, begun by that time of the loop's."""
        return await self._call("GET", "location", target, start_by=start_by)

    async def close(self) -> None:
        """Closes its connections."""
        await self._client.aclose()

    def _target(self, publisher_id: str, offer_id: str, name: str) -> str:
        version = self._settings.api_version
        return f"/api/publishers/{publisher_id}/offers/{offer_id}/{name}?api-version={version}"

    async def _call(  # noqa: PLR0913, PLR0917 - what a call is made of
        self,
        method: str,
        operation: str,
        target: str,
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
        start_by: float = math.inf,
    ) -> Reply:
        request = self._client.build_request(
            method, self.url(target), headers=headers, content=content
        )
        end = asyncio.get_running_loop().time() + self._settings.api_timeout
        try:
            # A call that got its turn late would time out by itself, with its POST on the way.
            turn_by = min(end - self._settings.api_timeout / 2, start_by)
            async with asyncio.timeout_at(turn_by):
                pause_end = await self._throttle.enter()
        except TimeoutError:
            return NoAnswer(Cause.THROTTLED, sent=False)
        if pause_end:
            return NoAnswer(Cause.THROTTLED, sent=False, until=pause_end)
        reply: Reply | None = None
        try:
            port = request.url.port or 443
            with telemetry.api_call(method, operation, request.url.host, port) as call:
                reply = await self._send(request, end)
                if isinstance(reply, Answer):
                    call.answered(reply.status)
                else:
                    call.failed(reply.cause.value)
        finally:
            await self._leave(reply)
        return reply

    async def _leave(self, reply: Reply | None) -> None:
        if not isinstance(reply, Answer):
            await self._throttle.leave(refused=None)
            return
        asked = retry_after(reply.headers, self._clock())
        end = await self._throttle.leave(refused=reply.status == _TOO_MANY, asked=asked)
        if end:
            log.event(logger, "api.throttled", logging.WARNING, until=end.isoformat())

    async def _send(self, request: httpx.Request, end: float) -> Reply:
        sent: list[AccessToken] = []
        request.extensions[SENT] = sent
        try:
            reply = await self._exchange(request, end)
            if reply.status == _UNAUTHORIZED and await self._has_fresh_token(sent.pop(), end):
                reply = await self._exchange(request, end)
        except TokenUnavailableError:
            return NoAnswer(Cause.TOKEN, sent=False)
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError) as fault:
            failed = _no_answer(fault, was_sent=bool(sent))
            log.event(
                logger, "api.no_answer", logging.WARNING, method=request.method,
                cause=failed.cause.value, **log.fault_fields(fault),
            )  # fmt: skip
            return failed
        return reply

    async def _has_fresh_token(self, rejected: AccessToken, end: float) -> bool:
        """Whether the call is to be repeated; without another token the 401 is its answer."""
        try:
            async with asyncio.timeout_at(end):
                await self._auth.renew(rejected)
        except (TokenUnavailableError, TimeoutError):
            return False
        return True

    async def _exchange(self, request: httpx.Request, end: float) -> Answer:
        async with asyncio.timeout_at(end):
            response = await self._client.send(request, auth=self._auth, stream=True)
        body = None
        try:
            async with asyncio.timeout_at(end):
                body = await _read(response)
        except (TimeoutError, httpx.HTTPError, aiohttp.ClientError):
            pass  # the status has arrived: it decides
        finally:
            await response.aclose()
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, headers, body, str(request.url))


def _http_client(settings: Settings) -> httpx.AsyncClient:
    context = httpx.create_ssl_context()
    connections = settings.poll_concurrency + 32  # a tick's polls and the trigger's calls

    def session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, ssl=context),
            cookie_jar=aiohttp.DummyCookieJar(),
            max_field_size=_HEADER_LIMIT,
            max_line_size=_HEADER_LIMIT,
        )

    return httpx.AsyncClient(
        transport=AiohttpTransport(verify=context, client=session),
        timeout=httpx.Timeout(settings.api_timeout, connect=min(10, settings.api_timeout)),
        follow_redirects=False,
        trust_env=False,
        # A compressed body could grow without bounds: it is neither asked for nor read.
        headers={"Accept": "application/json", "Accept-Encoding": "identity"},
    )


async def _read(response: httpx.Response) -> bytes | None:
    if response.headers.get("content-encoding", "identity").strip().lower() not in ("identity", ""):
        return None
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > BODY_LIMIT:
            return None
    return bytes(body)


def _no_answer(fault: Exception, *, was_sent: bool) -> NoAnswer:
    timed_out = isinstance(fault, TimeoutError | httpx.TimeoutException) and not isinstance(
        fault,
        httpx.ConnectTimeout,  # what the transport also calls a reset
    )
    cause = Cause.TIME_OUT if timed_out else Cause.NETWORK
    return NoAnswer(cause, sent=was_sent and not isinstance(fault.__cause__, _NOTHING_SENT))
