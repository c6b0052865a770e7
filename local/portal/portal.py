"""A stand-in for the Cloud Partner Portal: strict in what it takes, scripted in what it answers.

It has no behaviour of its own: no operation advances unless its script says so. It never
redirects, and it never forgives: what breaks the API's contract is refused and counted.
"""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from aiohttp import web

from local.identity import Identity
from local.portal.rules import AUDIENCE, Refusal, check_cancel, check_query, split_slot_id
from local.portal.script import NOT_FOUND, Answer, Fault, Kind, Script, Seen
from local.portal.wire import bearer_token, send
from local.server import Server

_OFFER = "/api/publishers/{publisher}/offers/{offer}"


class Portal:
    """The server, the scripts per offer, and what it has seen and refused."""

    def __init__(self, identity: Identity) -> None:
        self.default = Script(cancel=[NOT_FOUND], operation=[NOT_FOUND], submissions=[NOT_FOUND])
        self.seen: list[Seen] = []
        self.refused: list[str] = []
        self.url = ""
        self._identity = identity
        self._scripts: dict[tuple[str, str], Script] = {}
        self._given: dict[tuple[str, str, Kind], int] = {}
        self._server: Server | None = None
        self._stack = AsyncExitStack()

    def script(self, offer_id: str, script: Script, publisher_id: str = "contoso") -> None:
        """Tell it what to answer for an offer, from the first answer on."""
        self._scripts[publisher_id, offer_id] = script
        for kind in ("cancel", "operation", "submissions"):
            self._given.pop((publisher_id, offer_id, kind), None)

    def count(self, kind: Kind, offer_id: str, publisher_id: str = "contoso") -> int:
        """How many requests of the kind it acted on."""
        return sum(
            (seen.kind, seen.offer_id, seen.publisher_id) == (kind, offer_id, publisher_id)
            and seen.answered != Fault.RESET_BEFORE
            for seen in self.seen
        )

    def respond(self, request: web.Request, kind: Kind, publisher: str, offer: str) -> Answer:
        """Decide on an answer, by the offer's script; a portal of another mind overrides this."""
        del request
        script = self._scripts.get((publisher, offer), self.default)
        answers = script.answers(kind) or self.default.answers(kind) or (NOT_FOUND,)
        given = self._given.get((publisher, offer, kind), 0)
        self._given[publisher, offer, kind] = given + 1
        return answers[min(given, len(answers) - 1)]

    async def close_port(self) -> None:
        """Be gone: refuse connections, and break off those that there are."""
        if self._server is not None:
            await self._server.close_port()

    async def open_port(self) -> None:
        """Be back, at the same address."""
        if self._server is not None:
            await self._server.open_port()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post(f"{_OFFER}/cancel", self._cancel)
        app.router.add_get(f"{_OFFER}/operations/{{id}}", self._operation, allow_head=False)
        app.router.add_get(f"{_OFFER}/submissions/", self._submissions, allow_head=False)
        app.router.add_get("/api/operations/{id}", self._slot_operation, allow_head=False)
        app.router.add_route("*", "/{rest:.*}", self._unknown)
        self._server = await self._stack.enter_async_context(Server(app))
        self.url = self._server.url
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def _cancel(self, request: web.Request) -> web.StreamResponse:
        body = await request.text()
        refusal = self._check(request) or check_cancel(request.content_type, body)
        if refusal is not None:
            return self._refuse(request, refusal)

        return await self._answer(request, "cancel", *_offer(request), body)

    async def _operation(self, request: web.Request) -> web.StreamResponse:
        if refusal := self._check(request):
            return self._refuse(request, refusal)

        return await self._answer(request, "operation", *_offer(request))

    async def _slot_operation(self, request: web.Request) -> web.StreamResponse:
        if refusal := self._check(request):
            return self._refuse(request, refusal)

        names = split_slot_id(request.match_info["id"])
        if names is None:
            return self._refuse(request, Refusal(404, "NotFound", "No such operation."))

        return await self._answer(request, "operation", *names)

    async def _submissions(self, request: web.Request) -> web.StreamResponse:
        if refusal := self._check(request, frozenset({"status"})):
            return self._refuse(request, refusal)

        return await self._answer(request, "submissions", *_offer(request))

    async def _unknown(self, request: web.Request) -> web.StreamResponse:
        return self._refuse(request, Refusal(404, "NotFound", "The API has no such call."))

    def _check(
        self, request: web.Request, parameters: frozenset[str] = frozenset()
    ) -> Refusal | None:
        fault = self._identity.verify(bearer_token(request), AUDIENCE)
        if fault is not None:
            return Refusal(401, "Unauthorized", f"The token is not valid: {fault}")

        return check_query(request, parameters)

    def _refuse(self, request: web.Request, refusal: Refusal) -> web.Response:
        self.refused.append(
            f"{request.method} {request.path_qs}: {refusal.status} {refusal.message}"
        )
        error = {"error": {"code": refusal.code, "message": refusal.message}}
        return web.json_response(error, status=refusal.status)

    async def _answer(
        self, request: web.Request, kind: Kind, publisher: str, offer: str, body: str = ""
    ) -> web.StreamResponse:
        answer = self.respond(request, kind, publisher, offer)
        headers = dict(request.headers)
        headers.pop("Authorization", None)
        self.seen.append(
            Seen(
                at=datetime.now(UTC),
                method=request.method,
                path=request.path,
                query=dict(request.query),
                publisher_id=publisher,
                offer_id=offer,
                kind=kind,
                answered=answer.fault or answer.status,
                token_jti=self._identity.token_id(bearer_token(request)),
                headers=headers,
                body=body,
            )
        )
        if answer.fault != Fault.TRICKLE and answer.delay_seconds:
            await asyncio.sleep(answer.delay_seconds)

        return await self._send(request, answer)

    async def _send(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        """Sends an answer; a portal of another mind overrides this."""
        return await send(request, answer, self.url)


def _offer(request: web.Request) -> tuple[str, str]:
    return request.match_info["publisher"], request.match_info["offer"]
