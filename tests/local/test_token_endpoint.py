"""The token endpoint: whom it gives a token, and what it says to everybody else."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from local.identity import TENANT, Identity
from local.tls import write_tls_files
from local.token_endpoint import APP_ID, EXCHANGE_AUDIENCE, TokenEndpoint, TokenError

SCOPE = "https://cloudpartner.azure.com/.default"
IDENTITY_ID = "44444444-4444-4444-4444-444444444444"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@pytest_asyncio.fixture
async def identity() -> AsyncIterator[Identity]:
    """A running identity endpoint."""
    async with Identity() as identity:
        yield identity


@pytest_asyncio.fixture
async def endpoint(identity: Identity, tmp_path: Path) -> AsyncIterator[TokenEndpoint]:
    """A running endpoint, whose application trusts one identity."""
    async with TokenEndpoint(identity, write_tls_files(tmp_path), IDENTITY_ID) as endpoint:
        yield endpoint


async def _ask(
    endpoint: TokenEndpoint, tenant: str = TENANT, **changes: str
) -> tuple[int, dict[str, str]]:
    form = {
        "grant_type": "client_credentials",
        "client_id": APP_ID,
        "scope": SCOPE,
        "client_assertion_type": ASSERTION_TYPE,
        **changes,
    }
    context = ssl.create_default_context(cafile=endpoint.environment["SSL_CERT_FILE"])
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{endpoint.url}/{tenant}/oauth2/v2.0/token",
            data={name: value for name, value in form.items() if value},
            ssl=context,
        ) as response,
    ):
        return response.status, await response.json()


async def test_the_trusted_identity_gets_the_applications_token(
    endpoint: TokenEndpoint, identity: Identity
) -> None:
    """Its own token, meant for the exchange, is traded for one of the API's audience."""
    assertion, _ = identity.issue(EXCHANGE_AUDIENCE, IDENTITY_ID)

    status, reply = await _ask(endpoint, client_assertion=assertion)

    token = reply["access_token"]
    assert status == 200
    assert identity.verify(token, "https://cloudpartner.azure.com") is None
    assert APP_ID == identity.client_id_of(token)
    assert {str(identity.token_id(token)): SCOPE} == endpoint.issued


@pytest.mark.parametrize(
    ("audience", "client_id", "code"),
    [
        pytest.param(EXCHANGE_AUDIENCE, "another", "AADSTS700213", id="another identity"),
        pytest.param("https://cloudpartner.azure.com", IDENTITY_ID, "AADSTS700212", id="audience"),
    ],
)
async def test_an_assertion_that_does_not_match(
    endpoint: TokenEndpoint,
    identity: Identity,
    audience: str,
    client_id: str,
    code: str,
) -> None:
    """The federated credential names one identity and one audience; nothing else signs in."""
    assertion, _ = identity.issue(audience, client_id)

    status, reply = await _ask(endpoint, client_assertion=assertion)

    assert (401, "invalid_client") == (status, reply["error"])
    assert reply["error_description"].startswith(f"{code}: ")


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        pytest.param({"tenant": "contoso"}, 400, "AADSTS90002", id="tenant"),
        pytest.param({"grant_type": "password"}, 400, "AADSTS70003", id="grant"),
        pytest.param({"client_id": IDENTITY_ID}, 400, "AADSTS700016", id="application"),
        pytest.param({"scope": "https://a"}, 400, "AADSTS1002012", id="scope"),
        pytest.param({"client_assertion": ""}, 401, "AADSTS7000218", id="no assertion"),
        pytest.param({"client_assertion_type": "jwt"}, 401, "AADSTS7000218", id="its type"),
    ],
)
async def test_a_wrong_request(
    endpoint: TokenEndpoint,
    identity: Identity,
    changes: dict[str, str],
    status: int,
    code: str,
) -> None:
    """Each fault has the code that Entra gives it."""
    assertion, _ = identity.issue(EXCHANGE_AUDIENCE, IDENTITY_ID)

    answered, reply = await _ask(endpoint, **{"client_assertion": assertion, **changes})

    assert status == answered
    assert reply["error_description"].startswith(f"{code}: ")
    assert {} == endpoint.issued


async def test_an_error_on_request(endpoint: TokenEndpoint, identity: Identity) -> None:
    """It fails as it is told to, until it is told otherwise."""
    assertion, _ = identity.issue(EXCHANGE_AUDIENCE, IDENTITY_ID)
    endpoint.error = TokenError(503, "temporarily_unavailable", "AADSTS90033: Try again later.")
    during = await _ask(endpoint, client_assertion=assertion)
    endpoint.error = None
    after = await _ask(endpoint, client_assertion=assertion)

    assert (503, 200) == (during[0], after[0])
    assert during[1]["error_description"] == "AADSTS90033: Try again later."
