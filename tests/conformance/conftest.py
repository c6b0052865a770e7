"""One Azurite, identity endpoint and portal, and the app in Microsoft's worker, for all tests.

Without the worker (Python before 3.13) nothing here is collected, and the summary says so.
"""

from collections.abc import AsyncIterator
from importlib.util import find_spec

import pytest
import pytest_asyncio

IS_WORKER_THERE = find_spec("azure_functions_runtime") is not None
collect_ignore_glob = [] if IS_WORKER_THERE else ["test_*.py"]

if IS_WORKER_THERE:
    pytest.register_assert_rewrite("tests.conformance.app_site")
    from tests.conformance.app_site import Site, open_site

    @pytest_asyncio.fixture(scope="session", loop_scope="session")
    async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
        """The app, indexed once: a worker takes one app a process."""
        async with open_site(tmp_path_factory.mktemp("site")) as opened:
            yield opened


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says loudly what was left out."""
    if not IS_WORKER_THERE:
        text = "NOT RUN: the conformance tests need Python 3.13; `make test` runs them on it."
        terminalreporter.write_line(text, red=True, bold=True)
