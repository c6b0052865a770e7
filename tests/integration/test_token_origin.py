"""The bearer token goes to the API's origin, and nowhere else."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from aiohttp import web

from local.portal.script import Answer
from local.server import serve
from tests.integration.harness import FIRST_WAIT, Harness

DONE = {"status": "completed"}


@dataclass(slots=True)
class Stranger:
    """A server on loopback that is not the API, and would gladly answer."""

    url: str = ""
    requests: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        """Notes the request, and says that all is done."""
        self.requests.append(f"{request.method} {request.path}")
        return web.json_response(DONE)


@pytest_asyncio.fixture
async def stranger() -> AsyncIterator[Stranger]:
    """A stranger who listens."""
    stranger = Stranger()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", stranger.answer)
    async with serve(app) as stranger.url:
        yield stranger


@pytest.mark.parametrize("name", ["Location", "Operation-Location", None])
async def test_a_202_cannot_send_it_elsewhere(
    harness: Harness, stranger: Stranger, name: str | None
) -> None:
    """In a header or in the body: the request ends failed, the stranger hears nothing."""
    location = f"{stranger.url}/api/operations/1"
    answer = Answer(202, headers={name: location}) if name else Answer(202, {"location": location})
    harness.script(cancel=[answer])

    await harness.submit()
    await harness.tick_after(FIRST_WAIT)

    assert location == (await harness.ends("failed", "UntrustedLocation"))["location"]
    assert [] == stranger.requests


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirected_post_goes_nowhere(
    harness: Harness, stranger: Stranger, status: int
) -> None:
    """The redirect is the answer."""
    harness.script(cancel=[Answer(status, headers={"Location": f"{stranger.url}/api/x"})])

    await harness.submit()

    await harness.ends("rejected", f"Http{status}")
    assert [] == stranger.requests


@pytest.mark.parametrize("status", [200, 202, 301, 302, 307, 308])
async def test_a_poll_cannot_send_it_elsewhere(
    harness: Harness, stranger: Stranger, status: int
) -> None:
    """Neither redirected nor moved: polled again where it was."""
    elsewhere = Answer(status, {"status": "running"}, {"Location": f"{stranger.url}/api/x"})
    harness.accept(elsewhere, Answer(200, DONE))
    await harness.submit()

    for _ in range(2):
        await harness.tick_after(60)

    assert 2 == (await harness.ends("canceled"))["polls"]
    assert [] == stranger.requests


async def test_a_row_edited_by_hand_cannot_send_it_elsewhere(
    harness: Harness, stranger: Stranger
) -> None:
    """A record's location is judged before every poll."""
    harness.accept(Answer(200, DONE))
    await harness.submit()
    await harness.edit(Location=f"{stranger.url}/api/x")

    await harness.tick_after(FIRST_WAIT)

    await harness.ends("failed", "UntrustedLocation")
    assert [] == stranger.requests
