"""The simulated storage and Azurite answer the same operations in the same way."""

import time
from itertools import count
from typing import Any

import pytest
from azure.data.tables.aio import TableClient, TableServiceClient
from azure.storage.queue.aio import QueueClient, QueueServiceClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.azurite import Azurite
from simulation.storage.queue_service import QueueService
from simulation.storage.queues import Queues
from simulation.storage.table_service import TableService
from simulation.storage.tables import Tables
from simulation.transports import AzureTransport
from simulation.wire import Request, Response, Service
from tests.simulation.operations import QueueRun, TableRun, queue_operations, table_operations

_names = (f"compared{number}" for number in count())
_SLOW = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


def _simulated(page: int) -> dict[str, Any]:
    tables, queues = Tables(time.time), Queues(time.time)
    services: dict[str, Service] = {
        "table": TableService(tables, lambda: page),
        "queue": QueueService(queues),
    }

    async def exchange(request: Request) -> Response:
        return services[request.host.split(".")[1]](request)

    return {"transport": AzureTransport(exchange), "retry_total": 0}


_CONNECTION = (
    "DefaultEndpointsProtocol=https;AccountName=simulated;AccountKey=c2VjcmV0;"
    "TableEndpoint=https://simulated.table.example/;QueueEndpoint=https://simulated.queue.example/"
)


@pytest.mark.timeout(300)
@settings(max_examples=60, deadline=None, suppress_health_check=_SLOW)
@given(st.lists(table_operations, min_size=4, max_size=16), st.integers(1, 3))
async def test_table(azurite: Azurite, operations: list[Any], page: int) -> None:
    """Inserts, updates, deletes, transactions and queries come to the same on both tables."""
    name = next(_names)
    real = TableServiceClient.from_connection_string(azurite.connection_string, retry_total=0)
    client = TableClient.from_connection_string(_CONNECTION, name, **_simulated(page))
    async with real, client:
        there, here = TableRun(real.get_table_client(name)), TableRun(client)
        for operation in [("create_table",), *operations]:
            assert await there.outcome(operation) == await here.outcome(operation), operation


@pytest.mark.timeout(300)
@settings(max_examples=60, deadline=None, suppress_health_check=_SLOW)
@given(st.lists(queue_operations, min_size=4, max_size=16))
async def test_queue(azurite: Azurite, operations: list[Any]) -> None:
    """Messages are sent, hidden, counted, renewed and deleted in the same way on both queues."""
    name = next(_names)
    real = QueueServiceClient.from_connection_string(azurite.connection_string, retry_total=0)
    client = QueueClient.from_connection_string(_CONNECTION, name, **_simulated(1000))
    async with real, client:
        there, here = QueueRun(real.get_queue_client(name)), QueueRun(client)
        for operation in [("create_queue",), *operations]:
            assert await there.outcome(operation) == await here.outcome(operation), operation


async def test_a_missing_table_is_named_so(azurite: Azurite) -> None:
    """Every operation on a table that is not there is refused in the same way."""
    name = next(_names)
    real = TableServiceClient.from_connection_string(azurite.connection_string, retry_total=0)
    client = TableClient.from_connection_string(_CONNECTION, name, **_simulated(1))
    operations: list[tuple[Any, ...]] = [
        ("get", "due-1"),
        ("query", "PartitionKey eq 'a'", None, None),
        ("write", ("create", "due-1", {})),
        ("write", ("delete", "due-1", None)),
        ("batch", [("create", "due-1", {})]),
    ]
    async with real, client:
        there, here = TableRun(real.get_table_client(name)), TableRun(client)
        for operation in operations:
            assert await there.outcome(operation) == await here.outcome(operation), operation
