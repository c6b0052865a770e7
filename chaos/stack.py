"""The local stack of a chaos run: hosts whose apps disagree on the time, and give up soon."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from local.identity import Identity
from local.portal.portal import Portal
from local.process import ChildProcess
from local.stack import ROOT, Stack

# Minutes become seconds; what decides is the same. A lease is 18 s, taken over 5 s later.
SETTINGS = {
    "PARTNER_API_TIMEOUT_SECONDS": "1",
    "POLL_SCHEDULE": "* * * * * *",
    "POLL_GRACE_SECONDS": "10",
    "BACKOFF_FIRST_SECONDS": "0.5",
    "BACKOFF_MAX_SECONDS": "2",
}
# So that what the host gives up is adopted within the run.
_QUEUES = {"maxDequeueCount": 3, "visibilityTimeout": "00:00:01"}
_MESSAGE_LEASE_SECONDS = 3.0  # a dead host's messages come back after that


class ChaosStack(Stack):
    """The stack without a host of its own; `add_app` adds them."""

    def __init__(self, directory: Path, make_portal: Callable[[Identity], Portal]) -> None:
        super().__init__(
            SETTINGS,
            with_host=False,
            directory=directory,
            location=directory / "storage",
            app_directory=_make_app(directory / "app"),
            lease_seconds=_MESSAGE_LEASE_SECONDS,
            make_portal=make_portal,
        )
        self._worker_arguments = ("0", "")

    def add_app(self, log_path: Path, seconds_ahead: float, storage: str) -> ChildProcess:
        """One more host; its app's clock is ahead, and reaches that storage. Not started."""
        self._worker_arguments = (str(seconds_ahead), storage)
        return self.add_host(log_path)

    def _host_command(self) -> list[str]:
        _, _, _, *options = super()._host_command()
        return [sys.executable, "-m", "chaos.host", *self._worker_arguments, *options]


def _make_app(directory: Path) -> Path:
    """The app's own files with another host.json; its packages are found where they are."""
    directory.mkdir(parents=True)
    (directory / "function_app.py").write_text((ROOT / "function_app.py").read_text())
    document = json.loads((ROOT / "host.json").read_text())
    document["extensions"]["queues"] |= _QUEUES
    (directory / "host.json").write_text(json.dumps(document))
    return directory
