"""A function raises when storage fails before its claim is written, and for nothing else."""

from offer_cancellation.errors import StorageError, TokenUnavailableError
from simulation.host import WorkerDiedError
from simulation.invariants import Invariant
from simulation.network import Invocation


class Bugs(Invariant):
    """Looks at what functions raise."""

    def on_raised(self, invocation: Invocation, error: Exception) -> None:
        """Anything but a fault of storage is a bug; so is that once the API was called."""
        if isinstance(error, WorkerDiedError):
            return

        text = f"{type(error).__name__}: {error}{_inner(error)}"
        if not isinstance(error, StorageError | TokenUnavailableError):
            self.world.fail("no bug", text, invocation.about)
        elif invocation.kind == "message" and any(c.service == "api" for c in invocation.calls):
            self.world.fail("no failure after the claim", text, invocation.about)


def _inner(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "".join(f"; {type(inner).__name__}: {inner}" for inner in error.exceptions)
    return f", of a {type(error.__context__).__name__}" if error.__context__ else ""
