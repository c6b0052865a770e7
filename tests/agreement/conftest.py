"""Without Microsoft's worker (Python before 3.13) nothing here runs, and the summary says so."""

from importlib.util import find_spec

import pytest

IS_WORKER_THERE = find_spec("azure_functions_runtime") is not None
collect_ignore_glob = [] if IS_WORKER_THERE else ["test_*.py"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says loudly what was left out."""
    if not IS_WORKER_THERE:
        text = "NOT RUN: the agreement tests need Python 3.13; `make test` runs them on it."
        terminalreporter.write_line(text, red=True, bold=True)
