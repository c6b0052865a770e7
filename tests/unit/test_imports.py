"""What the import of a module may do."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


ROOT = Path(__file__).resolve().parent.parent.parent
BINDINGS = {"cancel_trigger.function", "poll_timer.function"}  # they name the queue, the schedule
PACKAGES = ("offer_cancellation", "cancel_trigger", "poll_timer", "ops")


def test_no_pure_module_reads_the_environment() -> None:
    """Each can be imported where no setting is; the two bindings alone need them."""
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if path.stem != "__init__"
    }
    code = "\n".join(f"import {module}" for module in sorted(modules - BINDINGS))

    run = subprocess.run(  # noqa: S603 - this test's own code
        [sys.executable, "-c", code], cwd=ROOT, env={}, capture_output=True, text=True, check=False
    )

    assert BINDINGS < modules
    assert (0, "") == (run.returncode, run.stderr)
