"""Keeps the stack up to play with: `python -m local.run`.

Prints how to send a request and each outcome as it comes in, until SIGINT or SIGTERM; nothing is
left running then. Outcomes stay on their queue, for a consumer of yours. With `--no-host
--write-settings` it leaves the app itself to `func start`, which then finds the same stack through
local.settings.json.
"""

import argparse
import asyncio
import json
import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.table import Table

from local.demo.apis import tell
from local.demo.scenarios import SCENARIOS, request
from local.demo.submissions import submission_request
from local.outcomes import describe, peek_outcomes
from local.stack import ROOT, Stack

# Slow enough to watch, fast enough not to be waited for.
SETTINGS = {
    "POLL_SCHEDULE": "*/5 * * * * *",
    "BACKOFF_FIRST_SECONDS": "5",
    "BACKOFF_MAX_SECONDS": "30",
}

_LOOK_SECONDS = 1.0

_HELP = """
Portal:          {portal}
Submission API:  {submissions}
Host log:        {log}

The connection string, for the commands below:

export CANCEL_STORAGE={storage}

Send a request:

{python} -m local.send {text}

for a submission of a newer product:

{python} -m local.send {submission}

or with the Azure CLI:

az storage message put --connection-string "$CANCEL_STORAGE" \\
  --queue-name {requests} --content {text}

Outcomes go to the queue {outcomes}, invalid messages to {rejected};
the state of every request is in the table {ledger}.
"""


def write_settings(path: Path, environment: Mapping[str, str], storage: str) -> None:
    """Write the stack's settings where Azure Functions Core Tools look for them."""
    values = {
        "FUNCTIONS_WORKER_RUNTIME": "python",
        # The real host keeps its timer's lock there.
        "AzureWebJobsStorage": storage,
        **environment,
    }
    path.write_text(json.dumps({"IsEncrypted": False, "Values": values}, indent=2) + "\n")


async def _run(console: Console, arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    with tempfile.TemporaryDirectory(prefix="offer-cancellation-run-") as directory:
        async with Stack(
            SETTINGS, with_host=not arguments.no_host, directory=Path(directory)
        ) as stack:
            for scenario in SCENARIOS:
                tell(stack, scenario)

            _explain(console, stack, with_host=not arguments.no_host)
            if arguments.write_settings:
                path = ROOT / "local.settings.json"
                write_settings(path, stack.environment, stack.azurite.connection_string)
                console.print(f"Settings for `func start`: {path}", soft_wrap=True)

            await _watch(console, stack, stop)

    console.print("Stopped; nothing is left running.")


async def _watch(console: Console, stack: Stack, stop: asyncio.Event) -> None:
    console.print("\nOutcomes, as they come in (Ctrl-C ends it all):\n")
    shown: set[tuple[str, str]] = set()
    while not stop.is_set():
        for event in await peek_outcomes(stack.outcomes):
            key = (event["source"], event["id"])
            if key not in shown:
                shown.add(key)
                console.print(describe(event), markup=False, soft_wrap=True)

        stack.check()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_SECONDS):
                await stop.wait()


def _explain(console: Console, stack: Stack, *, with_host: bool) -> None:
    table = Table(
        title="Offers of the publisher contoso, and products, that the two APIs know",
        title_justify="left",
    )
    table.add_column("offer or product", no_wrap=True)
    table.add_column("what its API does")
    for scenario in SCENARIOS:
        if scenario.script is not None:
            table.add_row(scenario.target, scenario.does)

    table.add_row("any other", "404 with an error object")
    console.print(table)
    text = shlex.quote(json.dumps(request("slow")))
    console.print(
        _HELP.format(
            portal=stack.portal.url,
            submissions=stack.submissions.url,
            submission=shlex.quote(json.dumps(submission_request("product-slow"))),
            log=stack.log_path if with_host else "none, the app is left to `func start`",
            storage=shlex.quote(stack.azurite.connection_string),
            text=text,
            python=os.path.relpath(sys.executable),
            requests=stack.requests.queue_name,
            outcomes=stack.outcomes.queue_name,
            rejected=stack.rejected.queue_name,
            ledger=stack.setting("LEDGER_TABLE", "cancellations"),
        ),
        markup=False,
        soft_wrap=True,
    )


def main() -> int:
    """Keep the stack up until a signal ends it."""
    parser = argparse.ArgumentParser(prog="python -m local.run", description=__doc__)
    parser.add_argument("--no-host", action="store_true", help="leave the app to `func start`")
    parser.add_argument(
        "--write-settings", action="store_true", help="write local.settings.json for `func start`"
    )
    console = Console(highlight=False)
    try:
        asyncio.run(_run(console, parser.parse_args()))
    except RuntimeError as error:
        console.print(str(error), markup=False, soft_wrap=True)
        return 1

    return 0


if __name__ == "__main__":
    sys.exit(main())
