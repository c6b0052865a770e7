"""The simulated portal over HTTP: as strict as the scripted one, and able to be gone."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import aiohttp
import pytest
import pytest_asyncio

from chaos.offers import PUBLISHER
from chaos.plan import SHORT, make_plan
from chaos.simulation import SimulatedPortal, Simulation
from local.identity import Identity
from local.portal.rules import AUDIENCE

PATH = f"/api/publishers/{PUBLISHER}/offers/offer-001/submissions/?api-version=2017-10-31"


@pytest_asyncio.fixture
async def identity() -> AsyncIterator[Identity]:
    """Who issues the tokens."""
    async with Identity() as identity:
        yield identity


@pytest.fixture
def simulation() -> Simulation:
    """The state of the offers; no call for the first one's list goes wrong with this seed."""
    return Simulation(make_plan(0, SHORT), lambda: 0.0, lambda: datetime.now(UTC))


@pytest_asyncio.fixture
async def portal(identity: Identity, simulation: Simulation) -> AsyncIterator[SimulatedPortal]:
    """The portal, listening."""
    async with SimulatedPortal(identity, simulation) as portal:
        yield portal


async def _get(portal: SimulatedPortal, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(portal.url + PATH, headers=headers) as response,
    ):
        return response.status


async def test_a_call_reaches_the_simulation(
    portal: SimulatedPortal, identity: Identity, simulation: Simulation
) -> None:
    """With a good token the offer's state answers."""
    status = await _get(portal, identity.issue(AUDIENCE)[0])

    (call,) = simulation.calls
    assert 200 == status
    assert ("submissions", "offer-001", None) == (call.kind, call.offer_id, call.fault)


async def test_a_revoked_token_does_not(
    portal: SimulatedPortal, identity: Identity, simulation: Simulation
) -> None:
    """Strictness comes first: 401, and nothing is acted on."""
    token, _ = identity.issue(AUDIENCE)
    identity.revoke_all()

    assert 401 == await _get(portal, token)
    assert [] == simulation.calls


async def test_it_can_be_gone_and_come_back(portal: SimulatedPortal, identity: Identity) -> None:
    """While its port is closed connections are refused; then it is where it was."""
    token, url = identity.issue(AUDIENCE)[0], portal.url

    await portal.close_port()
    with pytest.raises(aiohttp.ClientConnectorError):
        await _get(portal, token)
    await portal.open_port()

    assert url == portal.url
    assert 200 == await _get(portal, token)
