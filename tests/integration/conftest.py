"""One Azurite, one identity endpoint and one portal for all; a harness of its own for each test."""

import logging
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
from azure.data.tables.aio import TableServiceClient
from azure.storage.queue.aio import QueueServiceClient

from local.azurite import Azurite
from local.identity import Identity
from local.portal.portal import Portal
from local.portal.submissions import SubmissionPortal
from local.tls import write_tls_files
from offer_cancellation.log import quiet_libraries

pytest.register_assert_rewrite("tests.integration.harness", "tests.integration.ledger_view")

from tests.integration.faulty_proxy import Proxied, faulty_proxy  # noqa: E402 - rewritten
from tests.integration.harness import Harness, MakeHarness, Surroundings  # noqa: E402 - rewritten, like a test
from tests.integration.leaks import LogRecords, tokens_stored  # noqa: E402 - rewritten


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def around(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Surroundings]:
    """Azurite, identity and portal; credentials made meanwhile find the identity endpoint."""
    async with AsyncExitStack() as stack:
        azurite = await stack.enter_async_context(Azurite())
        identity = await stack.enter_async_context(Identity())
        portal = await stack.enter_async_context(Portal(identity))
        submissions = await stack.enter_async_context(SubmissionPortal(identity))
        storage = azurite.connection_string
        queues = QueueServiceClient.from_connection_string(storage)
        tables = TableServiceClient.from_connection_string(storage)
        await stack.enter_async_context(queues)
        await stack.enter_async_context(tables)
        environment = stack.enter_context(pytest.MonkeyPatch.context())
        for name in [n for n in os.environ if n.startswith(("IDENTITY_", "MSI_", "AZURE_"))]:
            environment.delenv(name)
        for name, value in identity.environment.items():
            environment.setenv(name, value)
        # Each test makes clients, and all public authorities would take them 25 ms to load.
        authority = write_tls_files(tmp_path_factory.mktemp("tls")).authority
        environment.setenv("SSL_CERT_FILE", str(authority))
        yield Surroundings(azurite, identity, portal, submissions, queues, tables)


@pytest_asyncio.fixture
async def make_harness(around: Surroundings) -> AsyncIterator[MakeHarness]:
    """Makes a harness: settings by name, `like` for a second process of the same app."""
    made: list[Harness] = []

    def make(like: Harness | None = None, **settings: str) -> Harness:
        made.append(Harness(around, settings, like))
        return made[-1]

    yield make
    for harness in made:
        stored = await tokens_stored(harness)
        await harness.close()
        assert [] == stored


@pytest.fixture
def harness(make_harness: MakeHarness) -> Harness:
    """The app with default settings."""
    return make_harness()


@pytest_asyncio.fixture
async def proxied(around: Surroundings, make_harness: MakeHarness) -> AsyncIterator[Proxied]:
    """The app with a proxy before the table, and one before the queues."""
    async with AsyncExitStack() as stack:
        azurite = around.azurite
        table = await stack.enter_async_context(faulty_proxy(azurite.table_uri))
        queue = await stack.enter_async_context(faulty_proxy(azurite.queue_uri))
        storage = azurite.connection_string.replace(azurite.table_uri, table.url)
        storage = storage.replace(azurite.queue_uri, queue.url)
        harness = make_harness(CANCEL_STORAGE=storage)
        yield Proxied(harness, table, queue)
        await harness.services.close()


@pytest.fixture(autouse=True)
def nothing_leaks() -> Iterator[None]:
    """No token, no query string and no e-mail address is logged, whatever a test does."""
    quiet_libraries()  # for the clients of the test itself; the app's own call has a test, too
    records, root = LogRecords(), logging.getLogger()
    level = root.level
    root.addHandler(records)
    root.setLevel(logging.INFO)
    yield
    root.removeHandler(records)
    root.setLevel(level)
    assert [] == records.secrets()
