"""The storage account of a deployment, reached as whoever is signed in with `az login`.

Which one stands in the environment, under the names that `azd env get-values` gives.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from azure.data.tables.aio import TableClient
from azure.identity.aio import AzureCliCredential
from azure.storage.queue.aio import QueueClient


class MissingVariableError(Exception):
    """What says where to work is not in the environment."""


@asynccontextmanager
async def open_table() -> AsyncIterator[TableClient]:
    """The ledger's table. Raises MissingVariableError."""
    account, name = variables("STORAGE_ACCOUNT_NAME", "LEDGER_TABLE")
    url = f"https://{account}.table.core.windows.net"
    async with AzureCliCredential() as me, TableClient(url, name, credential=me) as table:
        yield table


@asynccontextmanager
async def open_queues() -> AsyncIterator[tuple[QueueClient, QueueClient]]:
    """The rejected queue and the request queue. Raises MissingVariableError."""
    account, *names = variables("STORAGE_ACCOUNT_NAME", "REJECTED_QUEUE", "CANCEL_QUEUE")
    url = f"https://{account}.queue.core.windows.net"
    async with AzureCliCredential() as me:
        rejected, requests = (QueueClient(url, name, credential=me) for name in names)
        async with rejected, requests:
            yield rejected, requests


def variables(*names: str) -> list[str]:
    """Their values. Raises MissingVariableError, which names each that is missing or empty."""
    values = [os.environ.get(name, "") for name in names]
    if missing := [name for name, value in zip(names, values, strict=True) if not value]:
        raise MissingVariableError(
            f"not in the environment: {', '.join(missing)}."
            ' `set -a; eval "$(azd env get-values)"; set +a` puts them there.'
        )
    return values
