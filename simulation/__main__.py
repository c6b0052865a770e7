"""Runs simulated worlds: `python -m simulation [--seeds N] [--seed N] [--seconds N]`."""

import argparse
import sys

from simulation.faults import kinds
from simulation.run import brief, many, one, report

SEEDS, SECONDS = 10_000, 600.0


def main() -> int:
    """The command; its exit status: 0 when everything held and every rare thing was reached."""
    parser = argparse.ArgumentParser(prog="python -m simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how many, at most")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for how long, at most")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="this one alone, with its story")
    parser.add_argument(
        "--without", default="", help=f"faults to leave out: {', '.join(k.name for k in kinds())}"
    )
    parser.add_argument("--brief", action="store_true", help="one line for what failed first")
    given = parser.parse_args()
    without = frozenset(filter(None, given.without.split(",")))
    if given.seed is not None:
        return one(given.seed, without)
    if given.brief:
        return brief(many(given.first, given.seeds, given.seconds, without))
    return report(many(given.first, given.seeds, given.seconds, without), without)


if __name__ == "__main__":
    sys.exit(main())
