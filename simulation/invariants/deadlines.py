"""Nothing of a waiting request is due later than its deadline."""

from simulation.invariants import Invariant, Step
from simulation.storage.tables import Change

CLOCKS = 5.0  # seconds that two clocks may be apart


class Deadlines(Invariant):
    """Looks at deferred and accepted records."""

    def on_commit(self, changes: list[Change], steps: list[Step]) -> None:
        """Compares the next try with the deadline."""
        for _, after in steps:
            if after is None or after.status not in ("deferred", "accepted"):
                continue
            next_try, deadline = after.moment("NextTryAt"), after.moment("Deadline")
            if next_try is None or deadline is None:
                continue
            if next_try > max(deadline, self.world.now() + CLOCKS):  # due at once is soon enough
                late = next_try - deadline
                text = f"a {after.status} one waits {late:.0f} s longer"
                self.world.fail("not later than the deadline", text, after.offer)
