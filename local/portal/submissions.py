"""A stand-in for Partner Center's submission API: strict in what it takes, scripted in its answers.

It refuses and counts whatever the API does not have, above all a DELETE of anything but a
submission, and one of a submission that its caller has not just read as `Submitted`.
"""

import asyncio
import re
from collections import Counter
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Literal, Self
from uuid import uuid4

from aiohttp import web

from local.identity import Identity
from local.portal.rules import Refusal
from local.portal.script import Answer, Fault
from local.portal.submission_script import (
    GONE,
    NO_PUBLISHER,
    SubmissionCall,
    SubmissionKind,
    SubmissionScript,
    is_submitted,
)
from local.portal.wire import bearer_token, send
from local.server import Server

AUDIENCE = "https://api.partner.microsoft.com"
_PRODUCT = "/v1.0/ingestion/products/{product}"
_SUBMISSION = f"{_PRODUCT}/submissions/{{submission}}"
_IDS = {"product": re.compile(r"[A-Za-z0-9-]{6,36}"), "submission": re.compile(r"[0-9]{1,32}")}
_CONFLICT = Refusal(409, "Conflict", "The submission was not read as Submitted just before.")


class SubmissionPortal:
    """The server, the scripts per product, and what it has seen and refused.

    `publisher_id`: demanded in the header `x-ms-publisherId` while it is set.
    """

    def __init__(self, identity: Identity) -> None:
        self.seen: list[SubmissionCall] = []
        self.refused: list[str] = []
        self.publisher_id: int | None = None
        self.url = ""
        self._identity = identity
        self._default = SubmissionScript(product=[GONE])
        self._scripts: dict[str, SubmissionScript] = {}
        self._given: Counter[tuple[str, str]] = Counter()
        self._acted_on: set[str] = set()
        self._read_as_submitted: set[tuple[str, str]] = set()
        self._server: Server | None = None
        self._stack = AsyncExitStack()

    def script(self, product_id: str, script: SubmissionScript) -> None:
        """Tell it what to answer for a product, from the first answers on."""
        self._scripts[product_id] = script
        for name in ("read", "delete", "product", "after"):
            self._given.pop((product_id, name), None)

    def count(self, kind: SubmissionKind, product_id: str) -> int:
        """How many calls of the kind it acted on."""
        return sum(
            (seen.kind, seen.product_id) == (kind, product_id)
            and seen.answered != Fault.RESET_BEFORE
            for seen in self.seen
        )

    def respond(
        self, request: web.Request, kind: SubmissionKind, product: str, submission: str | None
    ) -> Answer:
        """Decide on an answer, by the product's script; one of another mind overrides this."""
        del request, submission
        script = self._scripts.get(product, self._default)
        is_after = kind == "read" and product in self._acted_on and script.after
        name: SubmissionKind | Literal["after"] = "after" if is_after else kind
        answers = script.answers(name)
        position = min(self._given[product, name], len(answers) - 1)
        self._given[product, name] += 1
        return answers[position]

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
        app.router.add_get(_PRODUCT, self._read_product, allow_head=False)
        app.router.add_get(_SUBMISSION, self._read, allow_head=False)
        app.router.add_delete(_SUBMISSION, self._delete)
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

    async def _read_product(self, request: web.Request) -> web.StreamResponse:
        return await self._handle(request, "product")

    async def _read(self, request: web.Request) -> web.StreamResponse:
        return await self._handle(request, "read")

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        return await self._handle(request, "delete")

    async def _unknown(self, request: web.Request) -> web.StreamResponse:
        return self._refuse(request, Refusal(405, "NotAllowed", "The API has no such call."))

    async def _handle(self, request: web.Request, kind: SubmissionKind) -> web.StreamResponse:
        if refusal := await self._check(request, kind):
            return self._refuse(request, refusal)

        product, submission = _ids(request)
        answer = self._without_publisher(request) or self.respond(
            request, kind, product, submission
        )
        call = self._note(request, kind, answer)
        if submission is not None:
            self._follow(call, (product, submission), answer)
        if answer.fault != Fault.TRICKLE and answer.delay_seconds:
            await asyncio.sleep(answer.delay_seconds)

        headers = {"request-id": call.request_id, **answer.headers}
        named = Answer(answer.status, answer.body, headers, answer.delay_seconds, answer.fault)

        return await send(request, named, self.url)

    async def _check(self, request: web.Request, kind: SubmissionKind) -> Refusal | None:
        fault = self._identity.verify(bearer_token(request), AUDIENCE)
        if fault is not None:
            return Refusal(401, "Unauthorized", f"The token is not valid: {fault}")
        if request.query_string or await request.read() or "If-Match" in request.headers:
            return Refusal(400, "BadRequest", "The call takes no query, body or If-Match.")

        bad = [name for name, value in request.match_info.items() if not _is_id(name, value)]
        if bad or "%" in request.raw_path:
            return Refusal(404, "NotFound", f"Not an id: {bad or request.raw_path}")

        is_ready = kind != "delete" or _ids(request) in self._read_as_submitted
        return None if is_ready else _CONFLICT

    def _without_publisher(self, request: web.Request) -> Answer | None:
        given = request.headers.get("x-ms-publisherId")
        if self.publisher_id is None or given == str(self.publisher_id):
            return None

        return NO_PUBLISHER

    def _note(self, request: web.Request, kind: SubmissionKind, answer: Answer) -> SubmissionCall:
        product, submission = _ids(request)
        headers = dict(request.headers)
        headers.pop("Authorization", None)
        call = SubmissionCall(
            kind=kind,
            product_id=product,
            submission_id=submission,
            answered=answer.fault or answer.status,
            request_id=answer.headers.get("request-id", str(uuid4())),
            token_jti=self._identity.token_id(bearer_token(request)),
            headers=headers,
        )
        self.seen.append(call)
        return call

    def _follow(self, call: SubmissionCall, ids: tuple[str, str], answer: Answer) -> None:
        """What the call means for the next one: each read allows one DELETE that is acted on."""
        if call.kind == "read" and is_submitted(answer):
            self._read_as_submitted.add(ids)
        elif call.answered not in (401, 429):  # the caller may repeat it
            self._read_as_submitted.discard(ids)
        if call.is_acted_on:
            self._acted_on.add(call.product_id)

    def _refuse(self, request: web.Request, refusal: Refusal) -> web.Response:
        self.refused.append(
            f"{request.method} {request.path_qs}: {refusal.status} {refusal.message}"
        )
        error = {"code": refusal.code, "message": refusal.message, "source": "Ingestion Api"}
        headers = {"request-id": str(uuid4())}
        return web.json_response(error, status=refusal.status, headers=headers)


def _ids(request: web.Request) -> tuple[str, str | None]:
    return request.match_info["product"], request.match_info.get("submission")


def _is_id(name: str, value: str) -> bool:
    return bool(_IDS[name].fullmatch(value))
