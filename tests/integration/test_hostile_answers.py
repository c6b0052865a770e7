"""An API that turns against the app: no token reaches another origin, nothing grows or breaks."""

import gzip
import json
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from aiohttp import web

from local.server import serve
from tests.integration.harness import Harness, MakeHarness

MIB = 1024 * 1024
MEMORY_LIMIT = 24 * MIB  # more than this an answer must never cost
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Server:
    """A server that answers as it is told, and counts who brought a token."""

    url: str = ""
    answer: Handler | None = None
    tokens: int = 0
    calls: list[str] = field(default_factory=list)

    @property
    def authority(self) -> str:
        """Host and port."""
        return self.url.removeprefix("http://")

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Notes the call, and answers."""
        self.tokens += "Authorization" in request.headers
        self.calls.append(request.path)
        return await self.answer(request) if self.answer else web.json_response({"status": "done"})


@asynccontextmanager
async def _server() -> AsyncIterator[Server]:
    server, app = Server(), web.Application()
    app.router.add_route("*", "/{rest:.*}", server.handle)
    async with serve(app) as url:
        server.url = url
        yield server


@pytest_asyncio.fixture
async def twin() -> AsyncIterator[Server]:
    """The portal's evil twin: it must never see a token."""
    async with _server() as server:
        yield server
        assert (0, []) == (server.tokens, server.calls)


@pytest_asyncio.fixture
async def api() -> AsyncIterator[Server]:
    """The API itself, gone bad."""
    async with _server() as server:
        yield server


@pytest.fixture
def victim(make_harness: MakeHarness, api: Server) -> Harness:
    """The app, bound to that API."""
    return make_harness(PARTNER_API_URL=api.url, PARTNER_API_TIMEOUT_SECONDS="2")


def _answer(status: int, body: object = None, **headers: str) -> Handler:
    async def handler(_: web.Request) -> web.StreamResponse:
        text = None if body is None else json.dumps(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, text=text, headers=named)

    return handler


# Those that lead to the twin, and one for each reason; the unit tests have the others.
HOSTILE = [
    "http://{twin}/api/operations/1",
    "https://{twin}/api/operations/1",
    "//{twin}/api/operations/1",
    "\\\\{twin}\\api\\operations\\1",
    "/\\{twin}/api/operations/1",
    "http:\\\\{twin}/api/operations/1",
    "http://user@{twin}/api/operations/1",
    "http://{api}@{twin}/api/operations/1",
    "http://{api}:80@{twin}/api/operations/1",
    "http://{twin}#@{api}/api/operations/1",
    "http://{twin}?@{api}/api/operations/1",
    "http://user:secret@{api}/api/operations/1",
    "http://cloudpartner\u3002azure\u3002com/api/operations/1",
    "http://{api}/other/operations/1",
    "http://{api}/api/%252e%252e/other",
    "http://{api}/api/" + "x" * 8192,
    "http://[",
]


@pytest.mark.parametrize("location", HOSTILE)
async def test_location_of_a_202_in_the_body(
    victim: Harness, api: Server, twin: Server, location: str
) -> None:
    """A hostile location ends the request; it is kept for reading, and never followed."""
    given = location.replace("{twin}", twin.authority).replace("{api}", api.authority)
    api.answer = _answer(202, {"location": given})
    await victim.submit()
    data = await victim.ends("failed", "UntrustedLocation")
    assert 1 == len(api.calls)
    assert data["location"].rstrip("…") in " ".join(given.split())


@pytest.mark.parametrize(
    "location", [text for text in HOSTILE if text.isascii() and text.isprintable()]
)
async def test_location_of_a_poll(
    victim: Harness, api: Server, twin: Server, location: str
) -> None:
    """A poll's hostile location, of an answer or of a redirect, is ignored: the old one stays."""
    given = location.replace("{twin}", twin.authority).replace("{api}", api.authority)
    api.answer = _answer(202, None, Location="/api/operations/1")
    await victim.submit()
    before = await victim.record()
    for status in (200, 302, 307):
        api.answer = _answer(status, {"status": "running"}, Location=given)
        await victim.tick_after(400)
    after = await victim.record()
    assert ("accepted", 3) == (after["Status"], after["Polls"])
    assert (before["Location"], {"/api/operations/1"}) == (after["Location"], set(api.calls[1:]))


async def test_row_edited_to_another_origin(victim: Harness, api: Server, twin: Server) -> None:
    """A location that a hand put into the table is judged before the token goes anywhere."""
    api.answer = _answer(202, None, Location="/api/operations/1")
    await victim.submit()
    row = await victim.record()
    await victim.table.update_entity({**row, "Location": f"{twin.url}/api/operations/1"})
    await victim.tick_after(60)
    await victim.ends("failed", "UntrustedLocation")


async def _endless(request: web.Request) -> web.StreamResponse:
    """100 MiB, a piece at a time."""
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(100):
        await response.write(b'"' + b"x" * (MIB - 2) + b'"')
    return response


# 64 KiB that unpack to 64 MiB.
PACKED = gzip.compress(b"[" + b"0," * (32 * MIB) + b"0]")


async def _bomb(_: web.Request) -> web.StreamResponse:
    return web.Response(body=PACKED, headers={"Content-Encoding": "gzip"})


def _raw(body: bytes) -> Handler:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type="application/json")

    return handler


DEEP = b"[" * 10_000 + b"]" * 10_000
BODIES = {
    "100 MiB": _endless,
    "gzip bomb": _bomb,
    "10,000 levels": _raw(DEEP),
    "10,000 levels of objects": _raw(b'{"status":' * 10_000 + b"1" + b"}" * 10_000),
    "NaN": _raw(b'{"status": NaN}'),
    "Infinity": _raw(b"[Infinity]"),
    "a huge number": _raw(b'{"status": ' + b"9" * 100_000 + b"}"),
    "lone surrogates": _raw(b'{"status": "\\ud800running"}'),
    "NUL": _raw(b'{"status": "run\\u0000ning"}'),
    "no UTF-8": _raw(b'{"status": "\xff\xfe"}'),
    "UTF-16": _raw('{"status": "running"}'.encode("utf-16")),
    "a BOM": _raw(b'\xef\xbb\xbf{"status": "running"}'),
    "nothing": _raw(b""),
    **{
        f"wrong types: {text}": _raw(text.encode())
        for text in (
            "null", "true", "0", "[]", "{}", "[[]]", "[null]", '""', '{"status": []}',
            '{"status": {}}', '{"status": 1}', '{"status": null}', '{"status": ""}',
            '[{"status": ["completed"]}]', '{"status": "running", "steps": 1, "error": [1]}',
            '{"status": "running", "steps": [null, 1, {"messages": {"a": 1}}], "messages": "x"}',
            '{"id": {}, "createdDateTime": 5, "status": "running"}',
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
async def test_body_of_a_poll(victim: Harness, api: Server, body: Handler) -> None:
    """A body that is too long or no operation leaves the request pending; memory stays bounded."""
    api.answer = _answer(202, None, Location="/api/operations/1")
    await victim.submit()
    api.answer = body
    tracemalloc.start()
    await victim.tick_after(60)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MEMORY_LIMIT
    await victim.holds("accepted", Polls=1)


@pytest.mark.parametrize(
    ("status", "name"),
    [*((202, name) for name in BODIES), (400, "10,000 levels"), (400, "no UTF-8"), (400, "NaN")],
)
async def test_body_of_the_post(victim: Harness, api: Server, status: int, name: str) -> None:
    """Whatever the body of a 202 or a 400 is, the status decides."""
    body = BODIES[name]

    async def answer(request: web.Request) -> web.StreamResponse:
        response = await body(request)
        if not response.prepared:
            response.set_status(status)
        return response

    api.answer = answer
    await victim.submit()
    record = await victim.record()
    await victim.check_rule_1()
    if body is _endless:  # its status was 200
        assert ("deferred", True) == (record["Status"], record["Uncertain"])
    elif status == 400:
        assert ("rejected", "Http400") == (record["Status"], record["ErrorCode"])
    else:
        assert "accepted" == record["Status"]


async def test_redirects_are_not_followed(victim: Harness, api: Server, twin: Server) -> None:
    """A redirect of the POST is a definitive answer; where it points nobody goes."""
    api.answer = _answer(307, None, Location=f"{twin.url}/api/operations/1")
    await victim.submit()
    await victim.ends("rejected", "Http307")


async def test_a_header_of_8_kib(victim: Harness, api: Server) -> None:
    """A header of many kilobytes is read, and a location that long is not followed."""
    api.answer = _answer(202, None, Location="/api/operations/" + "x" * 8192)
    await victim.submit()
    await victim.ends("failed", "UntrustedLocation")
