"""Deliberate faults still fit the code, and a simulation finds them."""

from pathlib import Path

import pytest

from simulation.mutation import ROOT, DoesNotFitError, Mutant, all_mutants, copy_of_the_app, hunt


@pytest.mark.parametrize("mutant", all_mutants(), ids=lambda mutant: mutant.name)
def test_it_fits(mutant: Mutant) -> None:
    """The text that it replaces stands once in its file."""
    assert 1 == (ROOT / mutant.file).read_text().count(mutant.old)


def test_one_that_does_not_fit_says_so(tmp_path: Path) -> None:
    """A fault whose text is gone is never taken for one that was not found."""
    copy_of_the_app(tmp_path)
    mutant = Mutant("gone", "", "host.json", "no such text", "")

    with pytest.raises(DoesNotFitError, match=r"gone: its text stands 0 times in host\.json"):
        mutant.apply(tmp_path)


def test_one_is_found() -> None:
    """The rule that closes the known hole of the outbox, taken out, is missed within seconds."""
    mutant = next(m for m in all_mutants() if m.name == "message_is_the_outbox")

    found = hunt(mutant, seeds=200, seconds=60)

    assert found is not None
    assert "the due row is the outbox" == found["rule"]
