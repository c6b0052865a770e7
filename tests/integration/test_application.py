"""Signing in to the API as an application, by a federated credential of the managed identity."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import connector

from local.identity import TENANT
from local.outcomes import take_outcomes
from local.portal.script import Answer, Script
from local.portal.submission_script import CANCELLED, DELETED, PRODUCT, SUBMITTED
from local.stack import Stack
from local.tls import write_tls_files
from local.token_endpoint import APP_ID, TokenEndpoint, TokenError
from offer_cancellation.credential import Credentials
from offer_cancellation.errors import TokenUnavailableError
from tests.integration.harness import Harness, MakeHarness, Surroundings

IDENTITY_ID = "44444444-4444-4444-4444-444444444444"
SETTINGS = {
    "PARTNER_API_CLIENT_ID": IDENTITY_ID,
    "PARTNER_API_APP_ID": APP_ID,
    "PARTNER_API_TENANT_ID": TENANT,
}
SCOPE = "https://cloudpartner.azure.com/.default"
OTHER_SCOPE = "https://api.partner.microsoft.com/.default"
UNAVAILABLE = TokenError(503, "temporarily_unavailable", "AADSTS90033: A transient error.")
PATIENCE_SECONDS = 60


@pytest_asyncio.fixture
async def endpoint(
    around: Surroundings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[TokenEndpoint]:
    """The token endpoint, which this process finds in its environment and believes."""
    tls = write_tls_files(tmp_path)
    # aiohttp reads SSL_CERT_FILE when it is imported: here that was before there was an authority.
    connector._SSL_CONTEXT_VERIFIED.load_verify_locations(tls.authority)
    async with TokenEndpoint(around.identity, tls, IDENTITY_ID) as endpoint:
        monkeypatch.setenv("AZURE_AUTHORITY_HOST", endpoint.url)
        yield endpoint


@pytest.fixture
def application(endpoint: TokenEndpoint, make_harness: MakeHarness) -> Harness:
    """The app, signing in as the application."""
    del endpoint
    return make_harness(**SETTINGS)


async def test_the_api_is_called_as_the_application(
    application: Harness, endpoint: TokenEndpoint
) -> None:
    """POST and poll go out with the application's token, and no other scope is asked for."""
    application.accept(Answer(200, [{"status": "completed"}]))

    await application.submit()
    await application.tick_after(60)

    await application.ends("canceled")
    tokens = {seen.token_jti for seen in application.seen()}
    assert (tokens, {SCOPE}) == (set(endpoint.issued), set(endpoint.issued.values()))


async def test_the_submission_api_is_called_as_the_application(
    application: Harness, endpoint: TokenEndpoint
) -> None:
    """Look, DELETE and poll go out with the application's token for that API, and only that."""
    application.script_submission(read=[SUBMITTED, CANCELLED], delete=[DELETED], product=[PRODUCT])

    await application.submit_submission()
    await application.tick_after(60)

    await application.ends("canceled")
    tokens = {call.token_jti for call in application.submission_calls()}
    assert (tokens, {OTHER_SCOPE}) == (set(endpoint.issued), set(endpoint.issued.values()))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        pytest.param(
            TokenError(401, "invalid_client", "AADSTS700213: No matching federated identity."),
            "AADSTS700213",
            id="no federated credential",
        ),
        pytest.param(
            TokenError(400, "unauthorized_client", "AADSTS700016: Application not found."),
            "AADSTS700016",
            id="no such application",
        ),
        pytest.param(UNAVAILABLE, "AADSTS90033", id="an outage"),
        pytest.param(
            TokenError(
                429, "too_many", "AADSTS90055: Too many requests.", (("Retry-After", "3600"),)
            ),
            "AADSTS90055",
            id="throttled for an hour",
        ),
    ],
)
async def test_why_there_is_no_token(
    application: Harness, endpoint: TokenEndpoint, error: TokenError, code: str
) -> None:
    """The request waits, its record says what Entra said; once that is mended, it goes on."""
    application.script(cancel=[Answer(200)])
    endpoint.error = error

    await application.submit()

    record = await application.holds("deferred", LastCode=code, Attempts=0)
    assert error.description in record["LastMessage"]
    assert 1 == endpoint.requests
    endpoint.error = None
    await application.tick_after(60)
    await application.deliver()
    await application.ends("canceled")


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        pytest.param({"PARTNER_API_CLIENT_ID": ""}, "AADSTS700213", id="another identity"),
        pytest.param({"PARTNER_API_APP_ID": IDENTITY_ID}, "AADSTS700016", id="application"),
        pytest.param({"PARTNER_API_TENANT_ID": APP_ID}, "AADSTS90002", id="tenant"),
    ],
)
async def test_settings_that_do_not_match(
    endpoint: TokenEndpoint, make_harness: MakeHarness, settings: dict[str, str], code: str
) -> None:
    """What the federated credential does not name gets no token, and the record says so."""
    harness = make_harness(**{**SETTINGS, **settings})
    harness.script(cancel=[Answer(200)])

    await harness.submit()

    await harness.holds("deferred", LastCode=code)
    assert {} == endpoint.issued


async def test_an_identity_that_is_down(application: Harness, endpoint: TokenEndpoint) -> None:
    """Without the identity's token nothing is asked of the token endpoint."""
    application.script(cancel=[Answer(200)])
    application.around.identity.down = True

    await application.submit()

    record = await application.holds("deferred", Attempts=0)
    assert "the identity endpoint is down" in record["LastMessage"]
    assert 0 == endpoint.requests


async def test_one_request_for_all_who_wait(around: Surroundings, endpoint: TokenEndpoint) -> None:
    """Forty cold callers of two scopes: one assertion, one token a scope, whoever asks."""
    credentials, before = Credentials(), around.identity.requests
    credential = credentials.application(IDENTITY_ID, TENANT, APP_ID)

    tokens = await asyncio.gather(
        *(credential.get_token(scope) for scope in (SCOPE, OTHER_SCOPE) for _ in range(20))
    )

    assert (1, 2) == (around.identity.requests - before, endpoint.requests)
    assert 2 == len({token.token for token in tokens})
    await credentials.close()


async def test_a_renewal_is_another_token(endpoint: TokenEndpoint) -> None:
    """After a 401 a fresh token is had, past every cache, and `claims` are not made up."""
    credentials = Credentials()
    credential = credentials.application(IDENTITY_ID, TENANT, APP_ID)
    rejected = await credential.get_token(SCOPE)

    renewed = await credential.renew(SCOPE, rejected=rejected)

    assert (2, True) == (endpoint.requests, renewed.token != rejected.token)
    await credentials.close()


async def test_a_failure_is_shared(endpoint: TokenEndpoint) -> None:
    """All who wait learn of one failure; nobody's token is in it."""
    credentials = Credentials()
    credential = credentials.application(IDENTITY_ID, TENANT, APP_ID)
    endpoint.error = TokenError(401, "invalid_client", "AADSTS50027: access_token=opaque-0123 bad")

    results = await asyncio.gather(
        *(credential.get_token(SCOPE) for _ in range(20)), return_exceptions=True
    )

    assert 1 == endpoint.requests
    failures = [one for one in results if isinstance(one, TokenUnavailableError)]
    assert (20, {"AADSTS50027"}) == (len(failures), {one.code for one in failures})
    assert (
        "no token for https://cloudpartner.azure.com/.default: ClientAuthenticationError from"
        " the token endpoint" == failures[0].message
    )
    assert "opaque" not in failures[0].detail
    await credentials.close()


async def test_storage_is_the_identitys_own(tmp_path: Path) -> None:
    """The whole app over TLS: queues and table see the identity, the API the application."""
    script = Script(cancel=[Answer(200)])
    request = {"publisherId": "contoso", "offerId": "an-offer", "requestId": "r-1"}
    settings = {"POLL_SCHEDULE": "* * * * * *", **SETTINGS}
    events: list[str] = []
    async with Stack(settings, managed_identity=True, directory=tmp_path) as stack:
        stack.portal.script("an-offer", script)
        await stack.requests.send_message(json.dumps(request))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not events:
                assert stack.host.running, stack.host.log_tail()
                events += [one["data"]["status"] for one in await take_outcomes(stack.outcomes)]
                await asyncio.sleep(0.2)
        endpoint, seen = stack.token_endpoint, stack.portal.seen

    assert endpoint is not None
    assert ["canceled"] == events
    assert set(endpoint.issued) == {one.token_jti for one in seen}
    assert {SCOPE} == set(endpoint.issued.values())
