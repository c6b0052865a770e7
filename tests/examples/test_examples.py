"""Producer and consumer against the local stack, as their READMEs say."""

import shlex
from pathlib import Path

import pytest
from azure.storage.queue.aio import QueueClient

from tests.examples.program import CONSUMER, PRODUCER, run, running, until_left

QUEUE = "cancel-outcomes"
REQUEST = ("contoso", "at-once", "release-42")


async def test_an_outcome_is_handled_once_across_a_restart(tmp_path: Path) -> None:
    """A request sent twice is handled once, by consumers that know of each other by a file."""
    consumer = (CONSUMER, "--database", str(tmp_path / "handled.db"))
    async with running("-m", "local.run", settings={}) as stack:
        export = await stack.line_with("export CANCEL_STORAGE=")
        storage = shlex.split(export)[1].removeprefix("CANCEL_STORAGE=")
        settings = {"CANCEL_STORAGE": storage}
        await stack.line_with("Outcomes, as they come in")

        await run(PRODUCER, *REQUEST, settings=settings)
        await stack.line_with("canceled")
        async with running(*consumer, settings=settings) as first:
            handled = await first.line_with("release-42")
            async with QueueClient.from_connection_string(storage, QUEUE) as queue:
                await until_left(queue, 0)

        await run(PRODUCER, *REQUEST, settings=settings)
        async with running(*consumer, settings=settings) as second:
            repeated = await second.line_with("release-42")

    assert "canceled release-42 publishers/contoso/offers/at-once" == handled.strip()
    assert "a repeat, not handled again: release-42" in repeated
    assert [repeated] == second.lines


@pytest.mark.parametrize(
    "program", [(PRODUCER, *REQUEST), (CONSUMER,)], ids=["producer", "consumer"]
)
async def test_without_an_account_it_says_what_to_set(program: tuple[str, ...]) -> None:
    """An environment that names no storage account is a message, not a traceback."""
    async with running(*program, settings={}) as ended:
        code = await ended.finish()

    assert 1 == code
    assert [
        "set CANCEL_STORAGE (a connection string) or CANCEL_STORAGE__queueServiceUri (a URL)"
    ] == (ended.lines)
