"""Calls the API, each call with its whole time and its body bounded, and no redirect followed.

A call ends in a value (`Answer` or `NoAnswer`), never in an exception. One client per process,
bound to the event loop that made it.
"""

import asyncio
import json
import logging
import math
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from http import HTTPStatus
from http.cookiejar import CookieJar
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
from offer_cancellation.outside import OUTSIDE, Outside
from offer_cancellation.portal.answer import Answer, Cause, NoAnswer, Reply, retry_after
from offer_cancellation.portal.auth import TOKENS, ManagedIdentityAuth
from offer_cancellation.portal.body import read_body
from offer_cancellation.portal.throttle import Throttle
from offer_cancellation.portal.wire import Wire, watching
from offer_cancellation.settings import Settings
from offer_cancellation.status import Error
from offer_cancellation.text import fit, without_emails

logger = logging.getLogger(__name__)

_HEADER_LIMIT = 65536  # bytes of one header: locations can be long
_REASON_LIMIT = 500  # characters of what a network failure says


@dataclass(frozen=True, slots=True)
class _Call:
    """One call: `operation` names it in metrics, `start_by` is a time of the event loop's."""

    method: str
    operation: str
    target: str
    start_by: float = math.inf
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    unpooled: bool = False


class Portal:
    """The Cloud Partner Portal API, for one managed identity."""

    def __init__(
        self,
        settings: Settings,
        credential: SteadyCredential,
        backoff: Backoff,
        clock: Callable[[], datetime] = utc_now,
        outside: Outside = OUTSIDE,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._throttle = Throttle(backoff, clock)
        self._origin = httpx.URL(settings.api_url)
        self._auth = ManagedIdentityAuth(credential, settings.api_scope, self._origin)
        make = partial(_http_client, settings, outside.ssl_context(), clock, outside.session)
        self._pooled = make(force_close=False)
        self._unpooled = make(force_close=True)

    def url(self, target: str) -> str:
        """The whole URL of a path and query."""
        return self._settings.api_url + target

    async def cancel(
        self, publisher_id: str, offer_id: str, emails: str | None, *, unpooled: bool = False
    ) -> Reply:
        """Cancels what runs for an offer: `POST …/offers/<offerId>/cancel`.

        `unpooled`: on a connection that nothing has used before. A server may have closed a used
        one without saying so, and a POST that meets that is never repeated by itself.
        """
        body = {"metadata": {"notification-emails": emails} if emails else {}}
        headers = {"Content-Type": "application/json"}
        if self._settings.api_if_match:
            headers["If-Match"] = self._settings.api_if_match

        call = _Call(
            "POST",
            "cancel",
            self._target(publisher_id, offer_id, "cancel"),
            headers=headers,
            content=json.dumps(body).encode(),
            unpooled=unpooled,
        )
        return await self._reply(call)

    async def operation(
        self, publisher_id: str, offer_id: str, operation_id: str, start_by: float = math.inf
    ) -> Reply:
        """Reads one operation of an offer: `GET …/operations/<operationId>`."""
        target = self._target(publisher_id, offer_id, f"operations/{quote(operation_id, safe='$')}")
        return await self._reply(_Call("GET", "operation", target, start_by))

    async def running(self, publisher_id: str, offer_id: str, start_by: float = math.inf) -> Reply:
        """Lists what runs for an offer: `GET …/submissions/?status=running`."""
        target = self._target(publisher_id, offer_id, "submissions/")
        return await self._reply(_Call("GET", "submissions", f"{target}&status=running", start_by))

    async def submissions(
        self, publisher_id: str, offer_id: str, start_by: float = math.inf
    ) -> Reply:
        """Lists an offer's operations: `GET …/submissions/`, begun by that time of the loop's."""
        target = self._target(publisher_id, offer_id, "submissions/")
        return await self._reply(_Call("GET", "submissions", target, start_by))

    async def read(self, target: str, start_by: float) -> Reply:
        """Reads a location that was found to be trusted, begun by that time of the loop's."""
        return await self._reply(_Call("GET", "location", target, start_by))

    async def close(self) -> None:
        """Closes its connections."""
        await self._pooled.aclose()
        await self._unpooled.aclose()

    def _target(self, publisher_id: str, offer_id: str, name: str) -> str:
        version = self._settings.api_version
        return f"/api/publishers/{publisher_id}/offers/{offer_id}/{name}?api-version={version}"

    async def _reply(self, call: _Call) -> Reply:
        end = asyncio.get_running_loop().time() + self._settings.api_timeout
        # A call that got its turn late would time out by itself, with its POST on the way.
        turn_by = min(end - self._settings.api_timeout / 2, call.start_by)
        try:
            async with asyncio.timeout_at(turn_by):
                pause_end = await self._throttle.enter()
        except TimeoutError:
            return NoAnswer(Cause.THROTTLED, sent=False)

        if pause_end:
            return NoAnswer(Cause.THROTTLED, sent=False, paused_until=pause_end)

        reply: Reply | None = None
        try:
            host, port = self._origin.host, self._origin.port or 443
            with telemetry.api_call(call.method, call.operation, host, port) as measured:
                reply = await self._send(call, end)
                if isinstance(reply, Answer):
                    measured.answered(reply.status)
                else:
                    measured.failed(reply.cause.value)
        finally:
            await self._leave(reply)

        return reply

    async def _leave(self, reply: Reply | None) -> None:
        if not isinstance(reply, Answer):
            await self._throttle.leave(refused=None)
            return

        end = await self._throttle.leave(
            refused=reply.status == HTTPStatus.TOO_MANY_REQUESTS,
            retry_after=retry_after(reply.headers, self._clock()),
        )
        if end:
            log.event(logger, "api.throttled", logging.WARNING, until=end.isoformat())

    async def _send(self, call: _Call, end: float) -> Reply:
        client = self._unpooled if call.unpooled else self._pooled
        wire, tokens = Wire(call.method == "GET"), list[AccessToken]()
        try:
            reply = await self._exchange(call, client, wire, tokens, end)
            is_unauthorized = reply.status == HTTPStatus.UNAUTHORIZED
            if is_unauthorized and await self._has_other_token(tokens[-1], end):
                wire = Wire(call.method == "GET")
                reply = await self._exchange(call, self._unpooled, wire, tokens, end)
        except TokenUnavailableError as failure:
            error = Error(failure.code, failure.detail or failure.message)
            return NoAnswer(Cause.TOKEN, sent=False, error=error)
        except Exception as failure:  # whatever it is: was anything sent, or not?
            return self._no_answer(call, wire, failure, has_token=bool(tokens))

        return reply

    async def _has_other_token(self, rejected: AccessToken, end: float) -> bool:
        """Whether the call is to be repeated; without another token the 401 is its answer."""
        try:
            async with asyncio.timeout_at(end):
                return await self._auth.has_other(rejected)
        except (TokenUnavailableError, TimeoutError):
            return False

    async def _exchange(
        self,
        call: _Call,
        client: httpx.AsyncClient,
        wire: Wire,
        tokens: list[AccessToken],
        end: float,
    ) -> Answer:
        """One request and its answer; `tokens` gets the token that it went out with."""
        wire.watch()
        request = client.build_request(
            call.method,
            self.url(call.target),
            headers=call.headers,
            content=call.content,
            extensions={TOKENS: tokens},
        )
        async with asyncio.timeout_at(end):
            response = await client.send(request, auth=self._auth, stream=True)

        received_at = self._clock()
        body = None
        try:
            async with asyncio.timeout_at(end):
                body = await read_body(response)
        except (TimeoutError, httpx.HTTPError, aiohttp.ClientError):
            pass  # it broke off; the status has arrived
        finally:
            await response.aclose()

        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(
            response.status_code, headers, body, str(request.url), wire.sent_at, received_at
        )

    def _no_answer(
        self, call: _Call, wire: Wire, failure: Exception, *, has_token: bool
    ) -> NoAnswer:
        root: BaseException = failure
        if not isinstance(failure, TimeoutError):  # that of `_exchange` is caused by a cancellation
            root = failure.__cause__ or failure  # httpx calls a reset a time-out; aiohttp does not
        cause = Cause.NETWORK
        if isinstance(root, TimeoutError):
            cause = Cause.TIME_OUT if has_token else Cause.TOKEN

        log.event(
            logger,
            "api.no_answer",
            logging.WARNING,
            method=call.method,
            cause=cause.value,
            **log.fault_fields(failure),
        )
        text = str(root) or f"nothing within {self._settings.api_timeout:g} s"
        text = without_emails(re.sub(r"\?\S+", "?***", fit(text, _REASON_LIMIT)))
        error = Error(type(root).__name__, text)
        return NoAnswer(cause, sent=wire.sent_at is not None, error=error)


class _NoCookies(CookieJar):
    """Keeps no cookie, and never reads one: httpx would send them all back."""

    def extract_cookies(self, response: object, request: object) -> None:
        """Leaves the cookies of an answer alone."""


def _http_client(
    settings: Settings,
    context: ssl.SSLContext,
    clock: Callable[[], datetime],
    make_session: Callable[..., aiohttp.ClientSession],
    *,
    force_close: bool,
) -> httpx.AsyncClient:
    """A client; with `force_close` each request has a connection of its own."""
    connections = settings.poll_concurrency + 32  # a tick's polls and the trigger's calls

    def session() -> aiohttp.ClientSession:
        return make_session(
            connector=aiohttp.TCPConnector(limit=connections, ssl=context, force_close=force_close),
            cookie_jar=aiohttp.DummyCookieJar(),
            max_field_size=_HEADER_LIMIT,
            max_line_size=_HEADER_LIMIT,
            trace_configs=[watching(clock)],
        )

    return httpx.AsyncClient(
        transport=AiohttpTransport(verify=context, client=session),
        timeout=httpx.Timeout(settings.api_timeout, connect=min(10, settings.api_timeout)),
        follow_redirects=False,
        trust_env=False,
        cookies=_NoCookies(),
        # Compressed bodies are not asked for: they save little, and cost time to bound.
        headers={"Accept": "application/json", "Accept-Encoding": "identity"},
    )
