"""End to end: the real function app behind the development host, every scenario at once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from azure.data.tables import TableEntity

from local.demo.scenarios import SCENARIOS, Scenario
from local.outcomes import peek_texts, take_outcomes
from local.stack import Stack

SETTINGS = {
    "POLL_SCHEDULE": "* * * * * *",
    "BACKOFF_FIRST_SECONDS": "1",
    "BACKOFF_MAX_SECONDS": "2",
    "WEBSITE_SITE_NAME": "contoso-cancels",
}
PATIENCE_SECONDS = 60
FINAL = {"canceled", "failed", "rejected", "expired"}


class Played:
    """What the stack looked like when every scenario had ended."""

    def __init__(self) -> None:
        self.events: dict[str, list[dict[str, Any]]] = {}
        self.rejected: list[str] = []
        self.waiting: list[str] = []
        self.rows: list[TableEntity] = []
        self.refused: list[str] = []
        self.posts: dict[str, int] = {}
        self.log = ""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def played(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Played]:
    """One stack, all scenarios sent to its queue; nothing is ever called directly."""
    directory: Path = tmp_path_factory.mktemp("stack")
    played = Played()
    async with Stack(SETTINGS, directory=directory) as stack:
        for scenario in SCENARIOS:
            if scenario.script is not None:
                stack.portal.script(scenario.offer_id, scenario.script, scenario.publisher_id)
            await stack.requests.send_message(scenario.text)
        await _watch(stack, played)
        table = stack.tables.get_table_client("cancellations")
        played.rows = [row async for row in table.list_entities()]
        played.rejected = await peek_texts(stack.rejected)
        played.waiting = await peek_texts(stack.requests)
        played.refused = list(stack.portal.refused)
        played.posts = {one.offer_id: stack.portal.count("cancel", one.offer_id)
                        for one in SCENARIOS}  # fmt: skip
    played.log = stack.log_path.read_text()
    yield played


async def _watch(stack: Stack, played: Played) -> None:
    """Collects events until each scenario has one, and nothing waits or is due any more."""
    table = stack.tables.get_table_client("cancellations")
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            for event in await take_outcomes(stack.outcomes):
                played.events.setdefault(event["data"]["offerId"], []).append(event)
            # A message goes when its invocation is over: then its copy was kept, too.
            queue = await stack.requests.get_queue_properties()
            is_complete = len(played.events) == len(SCENARIOS)
            is_complete = is_complete and not queue.approximate_message_count
            if is_complete and not [row async for row in table.query_entities("RowKey lt 'e'")]:
                return
            assert stack.host.running, stack.host.log_tail()
            await asyncio.sleep(0.2)


def expected_originals() -> list[str]:
    """The texts that must be in the rejected queue."""
    return [one.text for one in SCENARIOS if one.expect.code == "InvalidRequest"]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.offer_id)
async def test_a_scenario_ends_as_expected(played: Played, scenario: Scenario) -> None:
    """From the queue through host, functions, portal and table to the outcome queue."""
    events = played.events[scenario.offer_id]
    data = events[-1]["data"]
    expect = scenario.expect

    assert 1 == len({(event["source"], event["id"]) for event in events})
    assert "/offer-cancellation/contoso-cancels" == events[-1]["source"]
    assert (data["status"], data.get("error", {}).get("code")) == (expect.status, expect.code)
    assert played.posts[scenario.offer_id] == data["attempts"] == expect.posts
    assert data["polls"] >= expect.polls


async def test_the_ledger_is_at_rest(played: Played) -> None:
    """One final record a valid request, and no due row."""
    valid = [one.offer_id for one in SCENARIOS if one.text not in expected_originals()]

    assert sorted(row["OfferId"] for row in played.rows) == sorted(valid)
    assert {row["Status"] for row in played.rows} <= FINAL


async def test_the_queues_are_at_rest(played: Played) -> None:
    """Nothing waits, and the invalid messages are kept unchanged."""
    assert [] == played.waiting
    assert sorted(played.rejected) == sorted(expected_originals())


async def test_the_portal_had_nothing_to_refuse(played: Played) -> None:
    """Every call kept to the API's contract, token included."""
    assert [] == played.refused


async def test_the_log_tells_no_secret(played: Played) -> None:
    """Neither a token, nor a query string, nor an e-mail address, nor an account key."""
    assert "cancel.accepted" in played.log
    found = [word for word in ("Bearer", "eyJ", "api-version=", "@contoso.com", "AccountKey")
             if word in played.log]  # fmt: skip
    assert [] == found
