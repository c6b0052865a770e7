"""Nothing waits for ever: each run of a function has a bound in virtual time."""

from simulation.invariants import Invariant
from simulation.loop import Gate
from simulation.network import Invocation

_TICK = 240.0 + 60.0  # seconds: abandoned at 240, and its last storage calls
_STORAGE = 300.0  # that storage calls before and after a lease may take, retries included


class Bounds(Invariant):
    """Measures how long functions run, without the time for which they were frozen."""

    def on_ended(self, invocation: Invocation) -> None:
        """Judges a run that has ended."""
        self._judge(invocation)
        invocation.began = float("inf")

    def at_end(self) -> None:
        """Judges what still runs."""
        for invocation in self.world.invocations:
            if invocation.owner.gate is Gate.OPEN:
                self._judge(invocation)

    def _judge(self, invocation: Invocation) -> None:
        limit = _TICK if invocation.kind == "tick" else self.world.plan.lease + _STORAGE
        seconds = self.world.loop.time() - invocation.began - invocation.paused
        if seconds > limit:
            text = f"a {invocation.kind} took {seconds:.0f} s, the bound is {limit:.0f} s"
            self.world.fail("nothing waits for ever", text, invocation.about)
