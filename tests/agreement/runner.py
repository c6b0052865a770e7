"""Plays the table of cases through a host, and writes down what came of each case.

Times, generated ids and tokens are normalised; everything else must be the same in every run.
"""

import asyncio
import json
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables.aio import TableClient

from local.outcomes import peek_texts, take_outcomes
from local.stack import ROOT, Stack
from tests.agreement.cases import CASES, OPERATION

SETTINGS = {
    "POLL_SCHEDULE": "* * * * * *",
    "BACKOFF_FIRST_SECONDS": "0",
    "BACKOFF_MAX_SECONDS": "0",
    "WEBSITE_SITE_NAME": "agreement",
}
_PATIENCE_SECONDS = 100
_WORKER_HOST = Path(__file__).resolve().parent.parent / "conformance" / "worker_host.py"
_GUID = re.compile(rf"(?!{OPERATION})[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_GENERATED = {"durationSeconds", "Writer", "PartitionKey", "RowKey"}


@dataclass(slots=True)
class Result:
    """What is left of a case: its record, its events, its rejected texts, its POSTs."""

    record: dict[str, Any] | None = None
    events: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    posts: int = 0


class WorkerStack(Stack):
    """The stack with Microsoft's worker behind the development host's triggers."""

    def _host_command(self) -> list[str]:
        _, _, _, *options = super()._host_command()
        return [sys.executable, str(_WORKER_HOST), *options]


def copy_app(directory: Path) -> Path:
    """The app with a host.json that gives a message up after two tries, a second apart."""
    for package in ("cancel_trigger", "poll_timer", "offer_cancellation"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, directory / package, ignore=ignored)

    shutil.copy(ROOT / "function_app.py", directory)
    document = json.loads((ROOT / "host.json").read_text())
    document["extensions"]["queues"] |= {"maxDequeueCount": 2, "visibilityTimeout": "00:00:01"}
    (directory / "host.json").write_text(json.dumps(document))
    return directory


async def play(stack: Stack) -> dict[str, Result]:
    """Sends every case's texts and waits until nothing is under way; what came of each case."""
    async with stack:
        for case in CASES:
            stack.portal.script(case.offer, case.script)

        for turn in range(max(len(case.texts) for case in CASES)):
            for case in CASES:
                for text in case.texts[turn : turn + 1]:
                    await stack.requests.send_message(text)

            await _quiet(stack)

        return await _results(stack)


async def _quiet(stack: Stack) -> None:
    """Wait until nothing is under way, and a whole tick has found nothing more to do."""
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            await _until_idle(stack)
            ended = _ticks(stack)
            # The first tick that ends now may have begun before; the second has not.
            await _until_ticks(stack, ended + 2)
            if await _is_idle(stack):
                return


async def _until_idle(stack: Stack) -> None:
    while not await _is_idle(stack):
        stack.check()
        await asyncio.sleep(0.2)


async def _until_ticks(stack: Stack, ended: int) -> None:
    while _ticks(stack) < ended:
        stack.check()
        await asyncio.sleep(0.2)


async def _is_idle(stack: Stack) -> bool:
    table = stack.tables.get_table_client("cancellations")
    waiting = (await stack.requests.get_queue_properties()).approximate_message_count
    return not waiting and not await _rows(table, "RowKey ge 'due-' and RowKey lt 'due.'")


def _ticks(stack: Stack) -> int:
    return stack.log_path.read_text().count(" poll.tick ")


async def _results(stack: Stack) -> dict[str, Result]:
    results = {case.offer: Result() for case in CASES}
    table = stack.tables.get_table_client("cancellations")
    for row in await _rows(table, "RowKey ge 'request-'"):
        assert results[row["OfferId"]].record is None
        results[row["OfferId"]].record = _normalised(row)

    # A repeat of an event is the same event.
    events = await take_outcomes(stack.outcomes)
    for event in {(event["source"], event["id"]): event for event in events}.values():
        results[event["data"].get("offerId", "")].events.append(_normalised(event))

    texts = {text: case.offer for case in CASES for text in case.texts}
    for text in await peek_texts(stack.rejected):
        offer = texts[text] if text in texts else json.loads(text)["offerId"]  # else: put back
        results[offer].rejected.append(text)

    for case in CASES:
        results[case.offer].posts = stack.portal.count("cancel", case.offer)

    assert [] == stack.portal.refused
    return results


async def _rows(table: TableClient, query: str) -> list[dict[str, Any]]:
    try:
        return [dict(row) async for row in table.query_entities(query)]
    except ResourceNotFoundError:
        return []


def _normalised(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in document.items() if name not in _GENERATED}


def _value(value: object) -> object:
    match value:
        case datetime():
            return "<time>"
        case str():
            return _TIME.sub("<time>", _GUID.sub("<id>", value))
        case dict():
            return _normalised(value)
        case _:
            return value
