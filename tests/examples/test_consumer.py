"""The consumer at its edges: what cannot be handled comes again, and stops nothing else."""

import base64
import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from azure.storage.queue.aio import QueueClient

from local.azurite import Azurite
from tests.examples.program import CONSUMER, running, until_left


def event(number: int, source: str = "/offer-cancellation/local") -> str:
    """An outcome as the app puts it on the queue."""
    document = {
        "specversion": "1.0",
        "type": "OfferCancellation.Canceled",
        "source": source,
        "id": f"release-{number}:1:canceled",
        "subject": "publishers/contoso/offers/vm",
        "data": {"requestId": f"release-{number}", "status": "canceled"},
    }

    return base64.b64encode(json.dumps(document).encode()).decode()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def storage() -> AsyncIterator[str]:
    """The connection string of a running Azurite."""
    async with Azurite() as azurite:
        yield azurite.connection_string


@pytest_asyncio.fixture
async def outcomes(storage: str) -> AsyncIterator[QueueClient]:
    """The outcome queue, empty."""
    async with QueueClient.from_connection_string(storage, "cancel-outcomes") as queue:
        await queue.create_queue()
        yield queue
        await queue.delete_queue()


@pytest.fixture
def consumer(tmp_path: Path) -> tuple[str, ...]:
    """The consumer's command line; what it fails to handle comes again after a second."""
    return (CONSUMER, "--database", str(tmp_path / "handled.db"), "--lease-seconds", "1")


@pytest.fixture
def broken_pipe() -> Iterator[int]:
    """An output that nobody reads: printing, which is all that the handler does, fails."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


async def test_what_could_not_be_handled_is_handled_later(
    storage: str, outcomes: QueueClient, consumer: tuple[str, ...], broken_pipe: int
) -> None:
    """An event whose handling failed is neither deleted nor remembered: the next try handles it."""
    settings = {"CANCEL_STORAGE": storage}
    await outcomes.send_message(event(1))

    async with running(*consumer, settings=settings, stdout=broken_pipe) as failing:
        await failing.line_with("not handled, comes again")
    async with running(*consumer, settings=settings) as mended:
        line = await mended.line_with("release-1")

    assert "canceled release-1 publishers/contoso/offers/vm" == line.strip()


async def test_the_same_id_from_another_source_is_another_event(
    storage: str, outcomes: QueueClient, consumer: tuple[str, ...]
) -> None:
    """Source and id together tell a repeat: two apps may use one id."""
    for source in ("/offer-cancellation/a", "/offer-cancellation/b", "/offer-cancellation/a"):
        await outcomes.send_message(event(1, source))

    async with running(*consumer, settings={"CANCEL_STORAGE": storage}) as program:
        await program.line_with("a repeat")

    handled = [line for line in program.lines if line.startswith("canceled release-1 ")]
    assert 2 == len(handled)


@pytest.mark.parametrize("text", ["no base64!", "bm8ganNvbg==", "e30=", "W10="])
async def test_a_message_that_is_not_an_event_stays(
    storage: str, outcomes: QueueClient, consumer: tuple[str, ...], text: str
) -> None:
    """It is reported and left on the queue; the next event is handled."""
    await outcomes.send_message(text)
    await outcomes.send_message(event(1))

    async with running(*consumer, settings={"CANCEL_STORAGE": storage}) as program:
        await program.line_with("not handled, comes again")
        await program.line_with("canceled release-1")
        await until_left(outcomes, 1)


async def test_a_handled_message_is_deleted(
    storage: str, outcomes: QueueClient, consumer: tuple[str, ...]
) -> None:
    """Nothing stays on the queue once its event was handled, first or repeated."""
    for number in (1, 1, 2):
        await outcomes.send_message(event(number))

    async with running(*consumer, settings={"CANCEL_STORAGE": storage}) as program:
        await program.line_with("a repeat")
        await program.line_with("release-2")
        await until_left(outcomes, 0)
