"""The whole way without a key: managed identity for queues, table and API, over TLS.

In a process of its own: aiohttp reads SSL_CERT_FILE when it is imported, and never again.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

from azure.storage.queue.aio import QueueClient

from local.outcomes import peek_texts, read_ledger, take_outcomes
from local.portal.script import Answer, Script
from local.stack import Stack

SETTINGS = {
    "POLL_SCHEDULE": "* * * * * *",
    "BACKOFF_FIRST_SECONDS": "0.5",
    "BACKOFF_MAX_SECONDS": "1",
    "PARTNER_API_CLIENT_ID": "44444444-4444-4444-4444-444444444444",
}
OPERATION = (
    "/api/publishers/contoso/offers/an-offer/operations/56615b67-2185-49fe-80d2-c4ddf77bb2e8"
)
GOOD = {"publisherId": "contoso", "offerId": "an-offer", "requestId": "r-1"}
PATIENCE_SECONDS = 60


async def _count(queue: QueueClient) -> int:
    """How many messages there are, hidden ones too."""
    return (await queue.get_queue_properties()).approximate_message_count or 0


async def test_from_message_to_outcome_without_a_key(tmp_path: Path) -> None:
    """Put back, accepted, polled and canceled; an invalid message goes to the rejected queue."""
    script = Script(
        cancel=[Answer(503), Answer(202, headers={"Operation-Location": f"{{url}}{OPERATION}"})],
        operation=[Answer(200, [{"status": "running"}]), Answer(200, [{"status": "completed"}])],
    )
    invalid = json.dumps({**GOOD, "operatonId": "misspelt"})
    events: dict[str, dict[str, Any]] = {}
    async with Stack(SETTINGS, managed_identity=True, directory=tmp_path) as stack:
        stack.portal.script("an-offer", script)
        await stack.requests.send_message(json.dumps(GOOD))
        await stack.requests.send_message(invalid)
        async with asyncio.timeout(PATIENCE_SECONDS):
            # A message goes when its invocation is over: then its copy was kept, too.
            while len(events) < 2 or await _count(stack.requests):
                assert stack.host.running, stack.host.log_tail()
                events |= {one["id"]: one["data"] for one in await take_outcomes(stack.outcomes)}
                await asyncio.sleep(0.2)
        (row,) = await read_ledger(stack.tables.get_table_client("cancellations"))
        rejected, refused = await peek_texts(stack.rejected), stack.portal.refused
        posted = {seen.token_jti for seen in stack.portal.seen}
        asked = stack.identity.requests
        app = stack.environment

    (event_id,) = [one for one in events if one.startswith("r-1:")]
    data = events.pop(event_id)
    (other,) = events.values()
    assert (2, 2, "completed") == (data["attempts"], data["polls"], data["operationStatus"])
    assert ("canceled", 2, 2) == (row.status, row.attempts, row.polls)
    assert "InvalidRequest" == other["error"]["code"]
    assert ([invalid], [], 1) == (rejected, refused, len(posted))
    assert 3 == asked  # the host's queues, the app's storage, the API
    assert [] == [name for name, value in app.items() if "AccountKey" in value]
