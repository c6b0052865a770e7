"""An outcome event, read from a message of the outcome queue."""

import base64
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """What a consumer sees."""

    source: str
    id: str
    data: dict[str, Any]

    @property
    def request_id(self) -> str:
        """Whose event it is."""
        return str(self.data["requestId"])

    @property
    def status(self) -> str:
        """How it ended."""
        return str(self.data["status"])

    @property
    def offer(self) -> str:
        """About which offer; empty when the message named no valid one."""
        return str(self.data.get("offerId", ""))

    @property
    def code(self) -> str:
        """The error's code."""
        return str(self.data.get("error", {}).get("code", ""))


@lru_cache(maxsize=64)
def event_of(text: str) -> Event:
    """Reads one. Raises ValueError for what is no event."""
    event = json.loads(base64.b64decode(text, validate=True))
    return Event(event["source"], event["id"], event["data"])
