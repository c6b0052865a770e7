"""What a process says once: a row that stays broken is not reported at each tick."""

MOST = 10_000  # keys that are remembered; then it starts over


class Once:
    """Remembers what was said."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def first(self, key: str) -> bool:
        """Whether this is the first time."""
        if key in self._said:
            return False
        if len(self._said) >= MOST:
            self._said.clear()
        self._said.add(key)
        return True

    def forget(self, key: str) -> None:
        """It was not said after all."""
        self._said.discard(key)
