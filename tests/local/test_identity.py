"""The identity endpoint: what it gives out, and to whom."""

from collections.abc import AsyncIterator

import aiohttp
import jwt
import pytest
import pytest_asyncio
from azure.identity.aio import ManagedIdentityCredential

from local.identity import API_VERSION, SYSTEM_ASSIGNED, Identity

AUDIENCE = "https://cloudpartner.azure.com"


@pytest_asyncio.fixture
async def identity() -> AsyncIterator[Identity]:
    """A running endpoint."""
    async with Identity() as identity:
        yield identity


async def _ask(
    identity: Identity, query: dict[str, str], header: str | None = None
) -> tuple[int, dict[str, str]]:
    headers = {"X-IDENTITY-HEADER": header or identity.header}
    async with (
        aiohttp.ClientSession() as session,
        session.get(identity.url, params=query, headers=headers) as response,
    ):
        return response.status, await response.json()


async def test_the_real_credential_gets_a_token_the_portal_would_accept(
    identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ManagedIdentityCredential runs against it unchanged, by the environment alone."""
    for name, value in identity.environment.items():
        monkeypatch.setenv(name, value)

    async with ManagedIdentityCredential(client_id="some-client") as credential:
        token = await credential.get_token(f"{AUDIENCE}/.default")

    claims = jwt.decode(token.token, options={"verify_signature": False})
    assert "some-client" == claims["appid"]
    assert claims["iss"].startswith("https://sts.windows.net/")
    assert token.expires_on == claims["exp"]
    assert identity.verify(token.token, AUDIENCE) is None
    assert 1 == identity.requests


async def test_without_a_client_id_the_system_assigned_identity_answers(
    identity: Identity,
) -> None:
    """The reply has the fields of the App Service endpoint, expires_on as a string."""
    status, reply = await _ask(identity, {"api-version": API_VERSION, "resource": AUDIENCE})

    claims = jwt.decode(reply["access_token"], options={"verify_signature": False})
    assert 200 == status
    assert SYSTEM_ASSIGNED == claims["appid"]
    assert (AUDIENCE, "Bearer") == (reply["resource"], reply["token_type"])
    assert str(claims["exp"]) == reply["expires_on"]


@pytest.mark.parametrize(
    ("query", "header"),
    [
        ({"api-version": API_VERSION, "resource": AUDIENCE}, "guessed"),
        ({"api-version": "2018-02-01", "resource": AUDIENCE}, None),
        ({"api-version": API_VERSION}, None),
        ({"api-version": API_VERSION, "resource": AUDIENCE, "client_id": ""}, None),
    ],
)
async def test_a_wrong_request_gets_no_token(
    identity: Identity, query: dict[str, str], header: str | None
) -> None:
    """Another header, another version, no resource or an empty client id: 400."""
    status, reply = await _ask(identity, query, header)

    assert 400 == status
    assert "access_token" not in reply


async def test_while_down_it_answers_503(identity: Identity) -> None:
    """An outage looks like one, and is over when it is over."""
    query = {"api-version": API_VERSION, "resource": AUDIENCE}
    identity.down = True
    during = await _ask(identity, query)
    identity.down = False
    after = await _ask(identity, query)

    assert (503, 200) == (during[0], after[0])


def test_revoked_expired_foreign_and_misdirected_tokens_are_no_good() -> None:
    """Verifying says what is wrong with a token, whatever it is."""
    identity = Identity()
    revoked, _ = identity.issue(AUDIENCE)
    identity.revoke_all()
    fresh, _ = identity.issue(AUDIENCE)
    foreign, _ = Identity().issue(AUDIENCE)
    elsewhere, _ = identity.issue("https://storage.azure.com")
    identity.lifetime_seconds = -1
    expired, _ = identity.issue(AUDIENCE)

    assert identity.verify(fresh, AUDIENCE) is None
    faults = [identity.verify(token, AUDIENCE) for token in (revoked, foreign, elsewhere, expired)]
    assert None not in faults
    assert identity.token_id(fresh) is not None
    assert identity.token_id(foreign) is None
