"""Where telemetry is off, nothing of it is paid for."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


LOADED = """
import os, sys
os.environ["CANCEL_STORAGE"] = "UseDevelopmentStorage=true"
import function_app
heavy = ("azure.monitor", "opentelemetry.sdk", "opentelemetry.instrumentation")
print([name for name in sys.modules if name.startswith(heavy)])
"""


def test_only_the_api_is_imported() -> None:
    """The app imports OpenTelemetry's API; SDK, exporter and instrumentations stay outside."""
    command = [sys.executable, "-c", LOADED]
    run = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    assert "[]" == run.stdout.strip()
