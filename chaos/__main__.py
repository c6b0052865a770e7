"""`python -m chaos [--seed N] [--short]`: exit code 0 only if every promise held."""

import argparse
import asyncio
import logging
import secrets
import shutil
import signal
import sys
import tempfile
import traceback
from pathlib import Path

from rich.console import Console

from chaos.observed import Observed
from chaos.plan import FULL, SHORT, Plan, make_plan
from chaos.report import show
from chaos.run import observe
from chaos.verdict import judge

_INTERRUPTED = 130
_SEEDS = 100_000


async def _observe(plan: Plan, directory: Path) -> Observed:
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await observe(plan, directory)


def main() -> int:
    """Plan, run, judge, show."""
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="of the plan; default: any")
    parser.add_argument("--short", action="store_true", help="a small run, for the tests")
    arguments = parser.parse_args()
    seed = secrets.randbelow(_SEEDS) if arguments.seed is None else arguments.seed
    size = SHORT if arguments.short else FULL
    console = Console(highlight=False)
    console.print(f"Chaos with seed {seed}, given up after {size.limit:.0f} s …")
    directory = Path(tempfile.mkdtemp(prefix="offer-cancellation-chaos-"))
    passed = False
    logging.basicConfig(format="%(message)s")
    logging.getLogger("chaos").setLevel(logging.INFO)
    try:
        seen = asyncio.run(_observe(make_plan(seed, size), directory))
        verdict = judge(seen)
        show(console, seen, verdict)
        passed = verdict.passed
    except (KeyboardInterrupt, asyncio.CancelledError):
        shutil.rmtree(directory)
        console.print("Interrupted; everything is stopped.")
        return _INTERRUPTED
    except (RuntimeError, ExceptionGroup) as error:
        traceback.print_exception(error)
    if passed:
        shutil.rmtree(directory)
        return 0
    console.print(f"The hosts' logs: {directory}", soft_wrap=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
