"""One Azurite for what is compared with the simulated storage."""

from collections.abc import AsyncIterator

import pytest_asyncio

from local.azurite import Azurite


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def azurite() -> AsyncIterator[Azurite]:
    """The emulator that the simulation is measured by."""
    async with Azurite() as emulator:
        yield emulator
