"""Simulated worlds hold, can be repeated, and reach what is rare."""

from simulation import run, world


def test_the_same_seed_gives_the_same_story() -> None:
    """Two runs of one seed have the same steps, counts and end."""
    first, second = world.run(4), world.run(4)

    assert (first.steps, first.virtual_seconds) == (second.steps, second.virtual_seconds)
    assert first.counts == second.counts


def test_some_seeds_hold() -> None:
    """A short run: what must hold does, in each of these worlds."""
    total = run.many(first=0, seeds=16, seconds=30)

    assert [] == [f"{result.seed}: {result.violation}" for result in total.failed]
    assert total.seeds > 0
