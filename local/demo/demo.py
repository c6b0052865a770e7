"""Cancel requests, start to end, in under half a minute: `python -m local.demo`.

It brings up the whole stack on free ports, puts every scenario on the queue and watches the
ledger and the outcomes from outside. Exit code 0 only if each ended as expected.
"""

import asyncio
import shutil
import signal
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from local.demo.apis import count_cancels, refusals, tell
from local.demo.progress import Progress
from local.demo.scenarios import SCENARIOS
from local.demo.view import open_view
from local.outcomes import describe, peek_texts, read_ledger, take_outcomes, target_of
from local.stack import Stack

# Seconds instead of minutes: the same decisions, faster.
SETTINGS = {
    "POLL_SCHEDULE": "* * * * * *",
    "BACKOFF_FIRST_SECONDS": "1",
    "BACKOFF_MAX_SECONDS": "2",
}

_PATIENCE_SECONDS = 25.0
_LOOK_SECONDS = 0.3
_INTERRUPTED = 130


async def run(console: Console, directory: Path) -> bool:
    """Play every scenario; returns whether all ended as expected."""
    console.print("Starting Azurite, the identity endpoint, the portal and the host …")
    async with Stack(SETTINGS, directory=directory) as stack:
        progress = await _send(stack)
        with open_view(console) as view:
            end = time.monotonic() + _PATIENCE_SECONDS
            while time.monotonic() < end:
                stack.check()
                await _look(stack, progress)
                view.show(progress)
                if all(one.ended for one in progress):
                    break

                await asyncio.sleep(_LOOK_SECONDS)

            view.show(progress)

        refused = refusals(stack)

    return _report(console, progress, refused)


async def _send(stack: Stack) -> list[Progress]:
    progress = []
    for scenario in SCENARIOS:
        tell(stack, scenario)
        await stack.requests.send_message(scenario.text)
        progress.append(Progress(scenario))

    return progress


async def _look(stack: Stack, progress: Sequence[Progress]) -> None:
    by_target = {one.scenario.target: one for one in progress}
    for event in await take_outcomes(stack.outcomes):
        if one := by_target.get(target_of(event)):
            one.end(event)

    table = stack.tables.get_table_client(stack.setting("LEDGER_TABLE", "cancellations"))
    for row in await read_ledger(table):
        if one := by_target.get(row.target):
            one.row = row

    rejected = await peek_texts(stack.rejected)
    for one in progress:
        one.posts = count_cancels(stack, one.scenario)
        one.kept = one.scenario.text in rejected


def _report(console: Console, progress: Sequence[Progress], refused: Sequence[str]) -> bool:
    console.print("\nOutcome events:")
    for one in progress:
        if one.event is not None:
            # Not markup: what the portal says may well hold brackets.
            console.print(describe(one.event), markup=False, soft_wrap=True)

    wrong = {one.scenario.name: found for one in progress if (found := one.differences())}
    if refused:
        wrong["the portal refused"] = list(refused)

    console.print()
    for name, found in wrong.items():
        console.print(f"✗ {name}: {'; '.join(found)}", markup=False, soft_wrap=True)

    if not wrong:
        console.print(f"✓ all {len(progress)} ended as expected")

    return not wrong


async def _main(console: Console, directory: Path) -> bool:
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)

    return await run(console, directory)


def main() -> int:
    """Run the demo; the exit code says whether all ended as expected."""
    console = Console(highlight=False)
    directory = Path(tempfile.mkdtemp(prefix="offer-cancellation-demo-"))
    try:
        passed = asyncio.run(_main(console, directory))
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("Interrupted; everything is stopped.")
        shutil.rmtree(directory)
        return _INTERRUPTED
    except RuntimeError as error:
        console.print(str(error), markup=False, soft_wrap=True)
        passed = False

    if passed:
        shutil.rmtree(directory)
        return 0

    console.print(f"The host's log: {directory / 'host.log'}", soft_wrap=True)
    return 1
