"""Everything random in a simulated world, from one seed: a stream of its own for each purpose.

So a fault that is switched off leaves every other stream as it was.
"""

import hashlib
from random import Random


class Chance:
    """The streams of one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def of(self, purpose: str) -> Random:
        """The stream for a purpose, from its beginning."""
        digest = hashlib.blake2b(f"{self.seed}/{purpose}".encode(), digest_size=8).digest()
        return Random(int.from_bytes(digest))
