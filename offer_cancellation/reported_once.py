"""Remembers what was already reported, so that a broken row is logged once per process."""

LIMIT = 10_000  # keys that are remembered; then it starts over


class ReportedOnce:
    """The keys of what this process has reported."""

    def __init__(self) -> None:
        self._keys: set[str] = set()

    def add(self, key: str) -> bool:
        """Remembers a key; whether it is new."""
        if key in self._keys:
            return False
        if len(self._keys) >= LIMIT:
            self._keys.clear()
        self._keys.add(key)

        return True

    def discard(self, key: str) -> None:
        """Forgets a key: it was not reported after all."""
        self._keys.discard(key)
