"""Keeps what the demo knows of each scenario, and says whether it ended as expected.

No waiting and no printing: `demo` feeds it, `view` shows it.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local.demo.scenario import Scenario
from local.outcomes import LedgerRow

INVALID = "InvalidRequest"


@dataclass(slots=True)
class Progress:
    """One scenario on its way; times are of the monotonic clock."""

    scenario: Scenario
    sent_at: float = field(default_factory=time.monotonic)
    row: LedgerRow | None = None
    event: Mapping[str, Any] | None = None
    ended_at: float | None = None
    posts: int = 0
    kept: bool = False

    @property
    def status(self) -> str:
        """The ledger's word; an invalid message has no record, so there the event's."""
        if self.row is not None:
            return self.row.status

        return str(self._data.get("status", "")) or "queued"

    @property
    def polls(self) -> int:
        """The ledger's count."""
        return self.row.polls if self.row is not None else 0

    @property
    def elapsed_seconds(self) -> float:
        """From sending to the outcome event, or until now."""
        return (self.ended_at or time.monotonic()) - self.sent_at

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to wait for."""
        return self.event is not None and (self.kept or not self._is_invalid)

    def end(self, event: Mapping[str, Any]) -> None:
        """Take note of the outcome event; repeats of it change nothing."""
        if self.event is None:
            self.event = event
            self.ended_at = time.monotonic()

    def differences(self) -> list[str]:
        """Return in what it did not end as expected."""
        expect = self.scenario.expect
        if self.event is None:
            return [f"no outcome, the ledger says {self.status}"]

        code = (self._data.get("error") or {}).get("code")
        polls = int(self._data.get("polls", 0))
        pairs = [
            ("status", expect.status, self._data.get("status")),
            ("error code", expect.code, code),
            ("cancel calls", expect.posts, self.posts),
        ]
        found = [f"{name} {got}, not {want}" for name, want, got in pairs if got != want]
        if polls < expect.polls:
            found.append(f"{polls} polls, not {expect.polls} at least")

        if self._is_invalid and not self.kept:
            found.append("the original text is not in the rejected queue")

        if not self._is_invalid and self.status != expect.status:
            found.append(f"the ledger says {self.status}, not {expect.status}")

        return found

    @property
    def _is_invalid(self) -> bool:
        return self.scenario.expect.code == INVALID

    @property
    def _data(self) -> Mapping[str, Any]:
        data = (self.event or {}).get("data")
        return data if isinstance(data, dict) else {}
