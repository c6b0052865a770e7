"""Many seeds, on every core, with what they reached and the story of the first that fails."""

import gc
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass, field

from simulation import world
from simulation.faults import kinds
from simulation.rare import RARE
from simulation.world import Result

_CHUNK = 4  # seeds that a process takes at a time
_EVERY = 10.0  # seconds from one line of progress to the next


@dataclass(slots=True)
class Total:
    """What many seeds came to."""

    seeds: int = 0
    virtual_seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    failed: list[Result] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def add(self, result: Result) -> None:
        """Takes one seed's result in."""
        self.seeds += 1
        self.virtual_seconds += result.virtual_seconds
        self.counts += result.counts
        if result.violation:
            self.failed.append(result)

    def line(self) -> str:
        """Progress in one line."""
        minutes = max(time.monotonic() - self.began, 0.001) / 60
        rare = sum(1 for name in RARE if self.counts[name])
        return (
            f"{self.seeds} seeds, {self.seeds / minutes:.0f} a minute,"
            f" {self.virtual_seconds / 3600:.0f} simulated hours,"
            f" {rare} of {len(RARE)} rare things reached, {len(self.failed)} failed"
        )

    def holes(self) -> list[str]:
        """The rare things that no seed reached."""
        return [name for name in RARE if not self.counts[name]]


def many(
    first: int,
    seeds: int,
    seconds: float,
    without: frozenset[str] = frozenset(),
    processes: int | None = None,
) -> Total:
    """Runs seeds from `first` on, at most so many, for at most so long; stops at a failure."""
    total = Total()
    end, last = time.monotonic() + seconds, time.monotonic()
    with ProcessPoolExecutor(processes or os.cpu_count()) as pool:
        chunks = _chunks(first, seeds)
        running = {
            pool.submit(_run, *chunk, without) for chunk, _ in zip(chunks, range(4), strict=False)
        }
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                for result in future.result():
                    total.add(result)
            if not total.failed and time.monotonic() < end:
                following = (
                    pool.submit(_run, *c, without) for c, _ in zip(chunks, done, strict=False)
                )
                running |= set(following)
            if time.monotonic() - last > _EVERY:
                last = time.monotonic()
                print(total.line(), flush=True)
    return total


def reduced(result: Result, without: frozenset[str] = frozenset()) -> Result:
    """The same seed with as few faults as still break a rule: a shorter story."""
    for kind in kinds():
        trial = world.run(result.seed, without=without | {kind.name})
        if trial.violation and trial.violation.split(":")[0] == result.violation.split(":")[0]:
            without |= {kind.name}
            result = trial
    return result


def tell(result: Result) -> None:
    """Prints why a seed failed."""
    print(f"\nSeed {result.seed} breaks a rule: {result.violation}")
    print(f"with {', '.join(result.faults) or 'no fault at all'}:\n")
    print("\n".join(result.story))
    print(f"\nAgain: make simulate SEED={result.seed}")


def report(total: Total, without: frozenset[str] = frozenset()) -> int:
    """Prints what came of it; the exit status."""
    print(total.line())
    width = max(map(len, RARE))
    for name in RARE:
        print(f"  {name:<{width}}  {total.counts[name] or 'NEVER'}")
    for result in total.failed[:1]:
        tell(reduced(result, without))
    if total.failed:
        return 1
    if holes := total.holes():
        print(f"\nNever reached, a hole in the simulation: {', '.join(holes)}")
        return 2
    print("\nEverything held.")
    return 0


def brief(total: Total) -> int:
    """Prints which seed failed first, in one line; the exit status."""
    for result in sorted(total.failed, key=lambda failed: failed.seed)[:1]:
        print(f"FAILED seed {result.seed} of {total.seeds}: {result.violation}")
    return 1 if total.failed else 0


def one(seed: int, without: frozenset[str] = frozenset()) -> int:
    """Runs one seed and tells its story; the exit status."""
    result = world.run(seed, without=without)
    if result.violation:
        tell(reduced(result, without))
        return 1
    print(f"Seed {seed} holds: {result.virtual_seconds:.0f} s, {', '.join(result.faults)}")
    print("\n".join(result.story))
    return 0


def _chunks(first: int, seeds: int) -> Iterator[tuple[int, int]]:
    for start in range(first, first + seeds, _CHUNK):
        yield start, min(start + _CHUNK, first + seeds)


def _run(first: int, end: int, without: frozenset[str]) -> list[Result]:
    if gc.isenabled():  # a collection in the midst of a seed would not come at the same step again
        gc.disable()
        gc.collect()
        gc.freeze()
    results = []
    for seed in range(first, end):
        try:
            results.append(world.run(seed, without=without))
        except Exception as error:
            print(f"seed {seed}: {error!r}", file=sys.stderr)
            raise
        gc.collect()
    return results
