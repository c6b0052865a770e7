"""What the scripted portal is told to answer, and what it remembers of a request.

Data only: nothing here listens or sends.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

Kind = Literal["cancel", "operation", "submissions"]


class Fault(StrEnum):
    """How an answer can fail on its way."""

    RESET_BEFORE = "reset_before"  # the connection is reset, the request was never acted on
    RESET_AFTER = "reset_after"  # acted on, then reset: the caller cannot know
    HANG = "hang"  # acted on, and no answer until the client leaves or the portal stops
    TRUNCATE = "truncate"  # fewer bytes than Content-Length says, then the connection closes
    TRICKLE = "trickle"  # the body a byte at a time, `delay_seconds` (else 0.05 s) apart


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; `{url}` in a header or in the body stands for the portal's own URL.

    The body: None is empty, text and bytes go out as they are (as HTML when they begin with `<`,
    as JSON otherwise), anything else is written as JSON.
    """

    status: int = 200
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    fault: Fault | None = None

    def render(self, url: str) -> tuple[bytes, dict[str, str]]:
        """Return the body and the headers as they go out."""
        if self.body is None:
            text = b""
        elif isinstance(self.body, bytes):
            text = self.body
        elif isinstance(self.body, str):
            text = self.body.encode()
        else:
            text = json.dumps(self.body).encode()

        text = text.replace(b"{url}", url.encode())
        headers = {name: value.replace("{url}", url) for name, value in self.headers.items()}
        if text and not any(name.lower() == "content-type" for name in headers):
            html = text.lstrip().startswith(b"<")
            headers["Content-Type"] = (
                f"{'text/html' if html else 'application/json'}; charset=utf-8"
            )

        return text, headers


NOT_FOUND = Answer(
    404, {"error": {"code": "NotFound", "message": "The portal knows no such offer."}}
)


@dataclass(frozen=True, slots=True)
class Script:
    """The answers for one offer, a sequence per kind of request; the last one repeats.

    A kind without answers gets those of the portal's default script.
    """

    cancel: Sequence[Answer] = ()
    operation: Sequence[Answer] = ()
    submissions: Sequence[Answer] = ()

    def answers(self, kind: Kind) -> Sequence[Answer]:
        """Return the sequence for a kind of request."""
        match kind:
            case "cancel":
                return self.cancel
            case "operation":
                return self.operation
            case "submissions":
                return self.submissions


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that the portal accepted, and what it was told to answer.

    `answered` is the status, or the fault. The headers lack `Authorization`.
    """

    at: datetime
    method: str
    path: str
    query: Mapping[str, str]
    publisher_id: str
    offer_id: str
    kind: Kind
    answered: int | Fault
    token_jti: str | None
    headers: Mapping[str, str]
    body: str
