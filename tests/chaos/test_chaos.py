"""A short chaos run, start to end: kills, outages, faults, and nothing lost."""

from pathlib import Path

import pytest

from chaos.plan import SHORT, make_plan
from chaos.run import observe
from chaos.verdict import judge


@pytest.mark.timeout(300)  # the run has its own bound; this one is for a run that hangs
async def test_nothing_is_lost_whatever_happens(tmp_path: Path) -> None:
    """Both hosts are killed, services go, a fifth of the calls fails: each message ends once."""
    verdict = judge(await observe(make_plan(1, SHORT), tmp_path))

    assert () == verdict.shortfalls
    assert {} == {name: found for name, found in verdict.figures.items() if found}
