"""An identity endpoint whose replies Microsoft's own library does not understand, and quotes."""

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from aiohttp import web

from local.server import serve
from offer_cancellation.credential import Credentials
from offer_cancellation.errors import TokenUnavailableError
from offer_cancellation.log import quiet_libraries

SCOPE = "https://cloudpartner.azure.com/.default"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJhdWQiOiJhcGkifQ.c2lnbmF0dXJl"


@dataclass
class Endpoint:
    """Replies with what it is told to."""

    status: int = 200
    reply: dict[str, str] = field(default_factory=dict)

    async def answer(self, _: web.Request) -> web.Response:
        """The reply."""
        return web.json_response(self.reply, status=self.status)


@pytest_asyncio.fixture
async def endpoint(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Endpoint]:
    """The endpoint that this process finds in its environment."""
    endpoint, app = Endpoint(), web.Application()
    app.router.add_get("/", endpoint.answer)
    async with serve(app) as url:
        monkeypatch.setenv("IDENTITY_ENDPOINT", url)
        monkeypatch.setenv("IDENTITY_HEADER", "secret")
        yield endpoint


async def _failure() -> TokenUnavailableError:
    quiet_libraries()
    credentials = Credentials()
    with pytest.raises(TokenUnavailableError) as caught:
        await credentials.of(None).get_token(SCOPE)

    await credentials.close()
    return caught.value


@pytest.mark.parametrize("token", [JWT, "opaque-0123456789"])
async def test_a_token_in_a_reply_is_never_logged(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture, token: str
) -> None:
    """The library quotes a reply without an expiry, token and all: the log has it masked."""
    caplog.set_level(logging.DEBUG)
    endpoint.reply = {"access_token": token, "resource": "api", "token_type": "Bearer"}

    failure = await _failure()

    texts = [record.getMessage() + str(vars(record)) for record in caplog.records]
    assert any("access_token" in text for text in texts if "'name': 'azure" in text)
    assert [] == [text for text in texts if token in text]
    assert token not in f"{failure} {failure.detail}"


async def test_the_reason_stays_readable(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    """What Entra says is in the log, and its code is what the failure goes by."""
    endpoint.status = 400
    endpoint.reply = {
        "error": "invalid_request",
        "error_description": "AADSTS700016: Application with identifier 'x' was not found.",
    }

    failure = await _failure()

    assert "AADSTS700016" == failure.code
    assert "Application with identifier" in failure.detail
    assert "AADSTS700016" in " ".join(str(vars(record)) for record in caplog.records)
