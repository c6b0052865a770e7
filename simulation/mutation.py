"""Puts one deliberate fault after the other into a copy of the app, and simulates until it shows.

`python -m simulation.mutation [NAME …]`: which rule finds each, and after how many seeds.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parent.parent
_PARTS = ("cancel_trigger", "poll_timer", "offer_cancellation", "simulation")
_SEEDS, _SECONDS = 3000, 400.0  # after which a fault counts as not found
_FOUND = re.compile(r"^FAILED seed (?P<seed>\d+) of (?P<seeds>\d+): (?P<rule>[^:]+)", re.MULTILINE)


class DoesNotFitError(Exception):
    """The text that a fault replaces does not stand in its file, or more than once."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One deliberate fault."""

    name: str
    what: str
    file: str
    old: str
    new: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads one."""
        return cls(name=path.stem, **tomllib.loads(path.read_text()))

    def apply(self, root: Path) -> None:
        """Puts it into a copy of the app. Raises DoesNotFitError."""
        path = root / self.file
        text = path.read_text()
        if text.count(self.old) != 1:
            count = text.count(self.old)
            raise DoesNotFitError(f"{self.name}: its text stands {count} times in {self.file}")
        path.write_text(text.replace(self.old, self.new))


def all_mutants() -> list[Mutant]:
    """Every deliberate fault, by name."""
    return [Mutant.read(path) for path in sorted((ROOT / "simulation/mutants").glob("*.toml"))]


def copy_of_the_app(root: Path) -> None:
    """Copies what a simulation needs."""
    for part in _PARTS:
        shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "host.json", root)


def hunt(mutant: Mutant, seeds: int, seconds: float) -> re.Match[str] | None:
    """Simulates the app with the fault in it: what was found, None when nothing was."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as directory:
        root = Path(directory)
        copy_of_the_app(root)
        mutant.apply(root)
        command = [sys.executable, "-m", "simulation", "--brief"]
        command += ["--seeds", str(seeds), "--seconds", str(seconds)]
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(  # noqa: S603 - our own command
            command, cwd=root, env=environment, capture_output=True, text=True, check=False
        )
    if done.returncode not in (0, 1, 2):
        raise RuntimeError(f"{mutant.name}: the simulation broke:\n{done.stderr[-2000:]}")
    return _FOUND.search(done.stdout)


def main() -> int:
    """The command; its exit status: 0 when every fault was found."""
    parser = argparse.ArgumentParser(prog="python -m simulation.mutation", description=__doc__)
    parser.add_argument("names", nargs="*", help="these alone")
    parser.add_argument("--seeds", type=int, default=_SEEDS)
    parser.add_argument("--seconds", type=float, default=_SECONDS)
    given = parser.parse_args()
    chosen = [m for m in all_mutants() if not given.names or m.name in given.names]
    missed = 0
    for mutant in chosen:
        found = hunt(mutant, given.seeds, given.seconds)
        missed += found is None
        result = f"seed {found['seed']}: {found['rule']}" if found else "NOT FOUND"
        print(f"{mutant.name:<34} {result}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} found")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
