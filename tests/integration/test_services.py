"""The services live as long as their event loop, and are closed with it."""

import asyncio
import os
import sys

from local.portal.script import Answer
from tests.integration.harness import PUBLISHER, REQUEST_ID, Harness

PROGRAM = """
import asyncio, gc, json, sys
from offer_cancellation.clock import utc_now
from offer_cancellation.services import services
from cancel_trigger.message import Message
from cancel_trigger.submission import handle
from poll_timer.tick import tick

async def main():
    shared = await services()
    await handle(Message("m-1", sys.argv[1], utc_now()), shared)
    await tick(shared)
    await handle(Message("m-2", sys.argv[2], utc_now()), shared)

asyncio.run(main())
gc.collect()
"""


async def test_a_loop_that_ends_closes_every_connection(harness: Harness) -> None:
    """Nothing is left open, and what was still to be removed is removed."""
    harness.script(cancel=[Answer(200)])
    texts = [
        f'{{"publisherId": "{PUBLISHER}", "offerId": "{harness.offer}", "requestId": "{name}"}}'
        for name in ("first", REQUEST_ID)
    ]
    settings = {
        "CANCEL_STORAGE": harness.around.azurite.connection_string,
        "CANCEL_QUEUE": f"requests-{harness.name}",
        "OUTCOME_QUEUE": f"outcomes-{harness.name}",
        "LEDGER_TABLE": f"ledger{harness.name}",
        "PARTNER_API_URL": harness.around.portal.url,
    }

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-X", "dev", "-c", PROGRAM, *texts,
        env={**os.environ, **settings}, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, errors = await process.communicate()

    assert (0, "") == (process.returncode, _unclosed(errors.decode()))
    assert "canceled" == (await harness.record())["Status"]
    assert [] == await harness.due_rows()


def _unclosed(errors: str) -> str:
    """The lines that tell of something left open, or of an error."""
    words = ("nclosed", "Traceback", "never awaited", "was destroyed")
    return "\n".join(line for line in errors.splitlines() if any(word in line for word in words))
