"""Runs `probe.py` in a process of its own: its settings, its directory, and nothing inherited."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_SECONDS = 100


def probe(
    settings: Mapping[str, str], directory: Path = ROOT, function: str | None = None
) -> dict[str, Any]:
    """What the worker says of the app of a directory; `function` is invoked with a message."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-m", "tests.conformance.probe", *([function] if function else [])],
        cwd=directory,  # comes first on the path: the app is found there
        env={**environment, "PYTHONPATH": str(ROOT), **settings},
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )
    assert 0 == done.returncode, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
