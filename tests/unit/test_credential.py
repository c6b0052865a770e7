"""Tokens that outlive short outages of the identity endpoint."""

import asyncio
import time
from typing import Any, Self

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError

from offer_cancellation.credential import Credentials, SteadyCredential, steady_time
from offer_cancellation.errors import TokenUnavailableError

SCOPE = "https://cloudpartner.azure.com/.default"
OTHER_SCOPE = "https://storage.azure.com/.default"
HOUR = 3600


class Clock:
    """Seconds since the epoch, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


class Source:
    """Issues numbered tokens of an hour, unless it is told to fail; keeps what was asked."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.asked: list[tuple[tuple[str, ...], str | None]] = []
        self.fault: Exception | None = None
        self.life = HOUR
        self.is_always_the_same = False
        self.is_closed = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,
        **options: Any,
    ) -> AccessToken:
        """The next token."""
        del tenant_id, enable_cae, options
        self.asked.append((scopes, claims))
        await self.gate.wait()
        if self.fault:
            raise self.fault
        number = 1 if self.is_always_the_same else len(self.asked)
        return AccessToken(f"token-{number}", int(self._clock.now) + self.life)

    async def close(self) -> None:
        """Nothing is asked any more."""
        self.is_closed = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def source(clock: Clock) -> Source:
    """A source of tokens."""
    return Source(clock)


@pytest.fixture
def credential(source: Source, clock: Clock) -> SteadyCredential:
    """A credential without a token yet."""
    return SteadyCredential(source, clock)


async def _settled() -> None:
    """Lets what goes on in the background finish."""
    for _ in range(5):
        await asyncio.sleep(0)


async def _token(credential: SteadyCredential, scope: str = SCOPE, **options: Any) -> str:
    return (await credential.get_token(scope, **options)).token


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        pytest.param(0, "token-1", id="at once"),
        pytest.param(HOUR - 600, "token-1", id="ten minutes before its end"),
        pytest.param(HOUR - 599, "token-2", id="less than ten minutes: refreshed early"),
        pytest.param(HOUR + 1, "token-2", id="expired"),
    ],
)
async def test_cache(credential: SteadyCredential, clock: Clock, age: float, expected: str) -> None:
    """A token is kept, and refreshed before it expires."""
    assert "token-1" == await _token(credential)
    clock.now += age
    await _token(credential)
    await _settled()
    assert expected == await _token(credential)


async def test_scopes_apart(credential: SteadyCredential) -> None:
    """Each scope has its own token."""
    assert "token-1" == await _token(credential)
    assert "token-2" == await _token(credential, OTHER_SCOPE)
    assert "token-1" == await _token(credential)


async def test_one_refresh_at_a_time(credential: SteadyCredential, source: Source) -> None:
    """Fifty cold callers make one request."""
    source.gate.clear()
    callers = [asyncio.create_task(_token(credential)) for _ in range(50)]
    await asyncio.sleep(0)
    source.gate.set()
    assert {"token-1"} == set(await asyncio.gather(*callers))
    assert [((SCOPE,), None)] == source.asked


async def test_nobody_waits_for_an_early_refresh(
    credential: SteadyCredential, source: Source, clock: Clock
) -> None:
    """While the endpoint hangs, everybody goes on with the token that still holds; one refresh."""
    await _token(credential)
    clock.now += HOUR - 300
    source.gate.clear()
    for wait in (0, 31, 31):
        clock.now += wait
        assert "token-1" == await _token(credential)
        await _settled()
    assert 2 == len(source.asked)
    source.gate.set()
    await _settled()
    assert "token-2" == await _token(credential)


async def test_close_ends_a_refresh(
    credential: SteadyCredential, source: Source, clock: Clock
) -> None:
    """A refresh that hangs does not outlive its credential."""
    await _token(credential)
    clock.now += HOUR - 300
    source.gate.clear()
    await _token(credential)
    await _settled()
    await credential.close()
    assert source.is_closed


@pytest.mark.parametrize(
    ("left", "expected"),
    [pytest.param(11, "token-1", id="11 s left"), pytest.param(10, None, id="10 s left")],
)
async def test_outage(
    credential: SteadyCredential, source: Source, clock: Clock, left: float, expected: str | None
) -> None:
    """A token is used until it really expires, however long the endpoint is down."""
    await _token(credential)
    source.fault = ServiceRequestError("down")
    clock.now += HOUR - left
    if expected:
        assert expected == await _token(credential)
    else:
        with pytest.raises(TokenUnavailableError):
            await _token(credential)


async def test_early_tries_are_apart(
    credential: SteadyCredential, source: Source, clock: Clock
) -> None:
    """While the endpoint is down, an early refresh is tried every 30 s, not at each call."""
    await _token(credential)
    source.fault = ServiceRequestError("down")
    clock.now += HOUR - 300
    asked = []
    for wait in (0, 0, 29.9, 0.1, 0):
        clock.now += wait
        assert "token-1" == await _token(credential)
        await _settled()
        asked.append(len(source.asked))
    assert [2, 2, 2, 3, 3] == asked


async def test_after_an_outage(credential: SteadyCredential, source: Source, clock: Clock) -> None:
    """Once the endpoint is back there is a new token, and quiet again."""
    await _token(credential)
    clock.now += HOUR + 1
    source.fault = ServiceRequestError("down")
    with pytest.raises(TokenUnavailableError):
        await _token(credential)
    source.fault = None
    assert "token-3" == await _token(credential)
    assert "token-3" == await _token(credential)


@pytest.mark.parametrize(
    "fault", [ServiceRequestError("down"), KeyError("resource"), ValueError("secret")]
)
async def test_unavailable(
    credential: SteadyCredential,
    source: Source,
    caplog: pytest.LogCaptureFixture,
    fault: Exception,
) -> None:
    """Whatever the endpoint's reply does, it is one kind of error, without the reply's text."""
    source.fault = fault
    with pytest.raises(TokenUnavailableError) as caught:
        await _token(credential)
    name = type(fault).__name__
    expected = f"no token for {SCOPE}: {name} from the identity endpoint"
    assert (expected, fault) == (caught.value.message, caught.value.__cause__)
    [logged] = caplog.records
    assert ("token.unavailable", name) == (logged.getMessage(), vars(logged)["fault"])


async def test_renew(credential: SteadyCredential, source: Source) -> None:
    """A rejected token is replaced by a fresh one, past the source's own cache."""
    rejected = await credential.get_token(SCOPE)
    assert "token-2" == (await credential.renew(SCOPE, rejected=rejected)).token
    assert [((SCOPE,), None), ((SCOPE,), "{}")] == source.asked
    assert "token-2" == await _token(credential)


async def test_renew_once_for_all(credential: SteadyCredential, source: Source) -> None:
    """Callers whose token was rejected together share one fresh one."""
    rejected = await credential.get_token(SCOPE)
    renewed = await asyncio.gather(*(credential.renew(SCOPE, rejected=rejected) for _ in range(20)))
    assert ({"token-2"}, 2) == ({token.token for token in renewed}, len(source.asked))


async def test_renew_fails(credential: SteadyCredential, source: Source) -> None:
    """Where no fresh token can be had, the error says so, and the old one stays."""
    rejected = await credential.get_token(SCOPE)
    source.fault = ServiceRequestError("down")
    with pytest.raises(TokenUnavailableError):
        await credential.renew(SCOPE, rejected=rejected)
    assert "token-1" == await _token(credential)


@pytest.mark.parametrize("has_token", [True, False])
async def test_claims(credential: SteadyCredential, source: Source, has_token: bool) -> None:
    """A claims challenge is answered with a fresh token."""
    if has_token:
        await _token(credential)
    fresh = await _token(credential, claims='{"access_token":{}}')
    assert fresh == f"token-{len(source.asked)}"
    assert ((SCOPE,), "{}") == source.asked[-1]


async def test_close(credential: SteadyCredential, source: Source) -> None:
    """Closing a credential closes its source."""
    async with credential:
        assert not source.is_closed
    assert source.is_closed


async def test_one_credential_an_identity() -> None:
    """One credential per client id: its cache is shared by all who use it."""
    credentials = Credentials()
    system, own = credentials.of(None), credentials.of("own")
    assert system is credentials.of(None)
    assert own is credentials.of("own")
    assert system is not own
    await credentials.close()


async def test_a_failure_is_shared(credential: SteadyCredential, source: Source) -> None:
    """Forty cold callers of an endpoint that fails make one request, and learn of it together."""
    source.fault = ServiceRequestError("down")
    source.gate.clear()
    callers = [asyncio.create_task(_token(credential)) for _ in range(40)]
    await _settled()

    source.gate.set()
    results = await asyncio.gather(*callers, return_exceptions=True)

    assert {TokenUnavailableError} == {type(result) for result in results}
    assert 40 == len({id(result) for result in results})
    assert 1 == len(source.asked)


async def test_a_failure_is_not_kept(credential: SteadyCredential, source: Source) -> None:
    """Who comes after it asks again."""
    source.fault = ServiceRequestError("down")
    with pytest.raises(TokenUnavailableError):
        await _token(credential)

    source.fault = None

    assert "token-2" == await _token(credential)


async def test_one_who_leaves_does_not_end_a_flight(
    credential: SteadyCredential, source: Source
) -> None:
    """A caller that is cancelled leaves the request to the others who wait for it."""
    source.gate.clear()
    first, second = (asyncio.create_task(_token(credential)) for _ in range(2))
    await _settled()

    first.cancel()
    await _settled()
    source.gate.set()

    assert ("token-1", 1) == (await second, len(source.asked))


async def test_short_tokens(credential: SteadyCredential, source: Source, clock: Clock) -> None:
    """A token that is issued for seconds serves half of them, many callers too."""
    source.life = 6
    tokens = []

    for wait in (0, 0, 2.9, 0.1):
        clock.now += wait
        tokens.append(await _token(credential))

    assert ["token-1", "token-1", "token-1", "token-2"] == tokens


async def test_renewals_are_apart(
    credential: SteadyCredential, source: Source, clock: Clock
) -> None:
    """However often a token is rejected, the source is asked for another at most once in 30 s."""
    source.is_always_the_same = True
    rejected = await credential.get_token(SCOPE)
    asked = []

    for wait in (0, 29.9, 0.1):
        clock.now += wait
        renewals = (credential.renew(SCOPE, rejected=rejected) for _ in range(40))
        assert {"token-1"} == {token.token for token in await asyncio.gather(*renewals)}
        asked.append(len(source.asked))

    assert [2, 2, 3] == asked


async def test_a_failed_renewal_is_shared_and_not_kept(
    credential: SteadyCredential, source: Source
) -> None:
    """Callers rejected together learn of one failure; once the endpoint is back, it is asked."""
    rejected = await credential.get_token(SCOPE)
    source.fault = ServiceRequestError("down")
    renewals = (credential.renew(SCOPE, rejected=rejected) for _ in range(40))
    results = await asyncio.gather(*renewals, return_exceptions=True)
    assert ({TokenUnavailableError}, 2) == ({type(r) for r in results}, len(source.asked))

    source.fault = None

    assert "token-3" == (await credential.renew(SCOPE, rejected=rejected)).token


async def test_a_renewal_waits_for_a_flight(
    credential: SteadyCredential, source: Source, clock: Clock
) -> None:
    """An early refresh that is under way may bring the other token."""
    rejected = await credential.get_token(SCOPE)
    clock.now += HOUR - 300
    source.gate.clear()
    await _token(credential)
    renewals = [asyncio.create_task(credential.renew(SCOPE, rejected=rejected)) for _ in range(3)]
    await _settled()

    source.gate.set()
    tokens = await asyncio.gather(*renewals)

    assert ({"token-2"}, 2) == ({token.token for token in tokens}, len(source.asked))


@pytest.mark.parametrize(
    ("text", "code", "reason"),
    [
        pytest.param(
            "AADSTS700016: Application not found.", "AADSTS700016",
            "AADSTS700016: Application not found.", id="Entra's",
        ),
        pytest.param(
            'bad reply {"access_token": "opaque"}', "ClientAuthenticationError",
            'bad reply {"access_token": "***"}', id="a token in it",
        ),
    ],
)  # fmt: skip
async def test_reason(
    source: Source, caplog: pytest.LogCaptureFixture, text: str, code: str, reason: str
) -> None:
    """Why there is no token is kept and logged, with its AADSTS code, but never a token."""
    credential = SteadyCredential(source)
    source.fault = ClientAuthenticationError(text)

    with pytest.raises(TokenUnavailableError) as caught:
        await _token(credential)

    assert (code, reason) == (caught.value.code, caught.value.detail)
    logged = vars(caplog.records[0])
    assert (code, reason) == (logged["code"], logged["reason"])


async def test_the_clock_cannot_be_set_back() -> None:
    """By default time is measured by a clock that only moves on, from now."""
    first, second = steady_time(), steady_time()
    assert first <= second
    assert abs(time.time() - second) < 60
