"""A function raises when storage fails, and for nothing else that the world can do to it."""

from azure.core.exceptions import AzureError

from simulation.host import WorkerDiedError
from simulation.invariants import Invariant


class Bugs(Invariant):
    """Looks at what functions raise."""

    def on_raised(self, error: Exception) -> None:
        """Anything but a storage fault is a bug."""
        if not isinstance(error, AzureError | WorkerDiedError):
            self.world.fail("no bug", f"{type(error).__name__}: {error}")
