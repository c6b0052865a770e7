"""Opens the queue service that a trigger's `connection` names, as Azure Functions does.

`<NAME>` holds a connection string, or `<NAME>__queueServiceUri` and its companions name a service
and a managed identity. Other credentials of the convention (client secrets, the developer's own
sign-in) are not supported.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from azure.identity.aio import ManagedIdentityCredential
from azure.storage.queue.aio import QueueServiceClient

# The SDK's own patience (15 s and more) would hold a listener up; it asks again by itself.
_CLIENT: dict[str, Any] = {
    "retry_total": 2,
    "initial_backoff": 1,
    "increment_base": 2,
    "random_jitter_range": 0,
    "connection_timeout": 5,
    "read_timeout": 10,
}


@asynccontextmanager
async def open_queue_service(
    name: str, environment: Mapping[str, str]
) -> AsyncIterator[QueueServiceClient]:
    """Open the connection; ValueError says which setting is missing or not supported."""
    if connection_string := environment.get(name):
        async with QueueServiceClient.from_connection_string(connection_string, **_CLIENT) as plain:
            yield plain

        return

    uri = environment.get(f"{name}__queueServiceUri")
    if not uri:
        raise ValueError(f"connection: neither {name} nor {name}__queueServiceUri is set")

    if environment.get(f"{name}__credential") != "managedidentity":
        raise ValueError(f"connection: {name}__credential must be managedidentity")

    client_id = environment.get(f"{name}__clientId") or None
    async with (
        ManagedIdentityCredential(client_id=client_id) as credential,
        QueueServiceClient(uri, credential, **_CLIENT) as service,
    ):
        yield service
