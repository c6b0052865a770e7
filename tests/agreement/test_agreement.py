"""The development host and Microsoft's worker: the same messages, the same ends."""

from collections.abc import Mapping

import pytest
import pytest_asyncio

from local.stack import Stack
from tests.agreement.cases import CASES, Case
from tests.agreement.runner import SETTINGS, Result, WorkerStack, copy_app, play

Results = Mapping[str, Result]

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.offer or "no-json")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def in_local_host(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The table, played through the development host."""
    app = copy_app(tmp_path_factory.mktemp("app"))
    return await play(Stack(SETTINGS, app_directory=app))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def in_worker(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The table, played through Microsoft's worker."""
    app = copy_app(tmp_path_factory.mktemp("app"))
    return await play(WorkerStack(SETTINGS, app_directory=app))


def check(case: Case, result: Result) -> None:
    """Compares with the table: events, rejected texts and POSTs; of the record what it names."""
    data = [event["data"] for event in result.events]
    events = tuple((one["status"], one.get("error", {}).get("code")) for one in data)
    record = result.record and {name: result.record.get(name) for name in case.record or {}}
    assert record == case.record
    assert (events, tuple(result.rejected), result.posts) == (
        case.events,
        case.rejected,
        case.posts,
    )


@each_case
def test_the_local_host_ends_as_the_table_says(in_local_host: Results, case: Case) -> None:
    """Record, events, rejected queue and POSTs of each case, in `python -m local.host`."""
    check(case, in_local_host[case.offer])


@each_case
def test_the_worker_ends_as_the_table_says(in_worker: Results, case: Case) -> None:
    """The same with `azure-functions-runtime` indexing the app and running its functions."""
    check(case, in_worker[case.offer])


@each_case
def test_both_write_the_same(in_local_host: Results, in_worker: Results, case: Case) -> None:
    """Every column of the record and every field of the events, but times and generated ids."""
    assert in_worker[case.offer] == in_local_host[case.offer]
