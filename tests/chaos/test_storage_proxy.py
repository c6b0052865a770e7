"""The proxy before the emulator: what passes, what comes back oddly, and what waits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from chaos.storage_proxy import Oddity, Proxies, open_proxies
from local.server import serve

DIGEST = "ab" * 32
TEXT = b'{"odata.etag":"W/1","RowKey":"x"}'


class _Service:
    """Says the same to every call, and counts them."""

    def __init__(self) -> None:
        self.calls = 0

    async def answer(self, request: web.Request) -> web.Response:
        await request.read()
        self.calls += 1
        return web.Response(body=TEXT, headers={"ETag": "W/1"})


@asynccontextmanager
async def _proxies(service: _Service, oddity: Oddity | None) -> AsyncIterator[Proxies]:
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", service.answer)
    async with (
        serve(app) as url,
        open_proxies(f"{url}/account", f"{url}/account", lambda: 1.5, lambda *_: oddity) as proxies,
    ):
        yield proxies


async def _call(proxies: Proxies) -> tuple[int, bytes, str | None]:
    url = f"{proxies.table.url}/t(PartitionKey='a',RowKey='request-{DIGEST}')"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.read(), answer.headers.get("ETag")


@pytest.mark.parametrize(
    ("oddity", "body", "etag", "calls"),
    [
        (None, TEXT, "W/1", 1),
        (Oddity.EMPTY, b"", "W/1", 1),
        (Oddity.HTML, b"<html><body>Sign in to the network.</body></html>", "W/1", 1),
        (Oddity.NEVER_ARRIVED, b"<html><body>Sign in to the network.</body></html>", None, 0),
        (Oddity.CUT, TEXT[: len(TEXT) // 2], "W/1", 1),
        (Oddity.NO_ETAG, b'{"RowKey":"x"}', None, 1),
    ],
)
async def test_an_odd_answer_is_a_success_without_what_it_should_hold(
    oddity: Oddity | None, body: bytes, etag: str | None, calls: int
) -> None:
    """The status is the same; whether the call arrived is another matter."""
    service = _Service()
    async with _proxies(service, oddity) as proxies:
        answer = await _call(proxies)

    assert (200, body, etag) == answer
    assert calls == service.calls


async def test_an_odd_answer_is_noted_with_the_request_that_it_is_about() -> None:
    """So that a second POST of that request alone is explained by it."""
    async with _proxies(_Service(), Oddity.CUT) as proxies:
        await _call(proxies)

        (odd,) = proxies.odd

    assert (1.5, Oddity.CUT, frozenset({DIGEST})) == (odd.at, odd.oddity, odd.digests)


async def test_what_is_held_waits_until_the_block_ends() -> None:
    """Nothing reaches the service meanwhile, and nothing is lost."""
    service = _Service()
    async with _proxies(service, None) as proxies:
        async with proxies.table.held():
            call = asyncio.create_task(_call(proxies))
            done, _ = await asyncio.wait({call}, timeout=0.1)
            held = service.calls

        status, _, _ = await call

    assert (done, held) == (set(), 0)
    assert (200, 1) == (status, service.calls)
