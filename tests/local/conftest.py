"""One Azurite for all tests of the local stack; each test has a queue of its own."""

import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from azure.storage.queue.aio import QueueClient

from local.azurite import Azurite


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def storage() -> AsyncIterator[str]:
    """The connection string of a running Azurite."""
    async with Azurite() as azurite:
        yield azurite.connection_string


@pytest.fixture
def queue_name() -> str:
    """A name that no other test has."""
    return f"test-{uuid.uuid4().hex}"


@pytest_asyncio.fixture
async def queue(storage: str, queue_name: str) -> AsyncIterator[QueueClient]:
    """An empty queue of that name."""
    async with QueueClient.from_connection_string(storage, queue_name) as client:
        await client.create_queue()
        yield client


@pytest_asyncio.fixture
async def poison(storage: str, queue_name: str) -> AsyncIterator[QueueClient]:
    """The poison queue that belongs to it, not made yet."""
    async with QueueClient.from_connection_string(storage, f"{queue_name}-poison") as client:
        yield client
