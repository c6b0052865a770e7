"""What a call of the API came to, and how to read it.

The API's bodies have many shapes (object, array of one, string, HTML, nothing): reading one never
raises, it finds what is there.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from http import HTTPStatus

from offer_cancellation.status import CODE_LIMIT, MESSAGE_LIMIT, Error
from offer_cancellation.text import clean, cut, plain

DEFINITIVE_EXCEPT = (401, 408, 429)  # client errors that waiting, or an operator, can mend
SHORTEST_WAIT, LONGEST_WAIT = 1.0, 3600.0  # seconds that a Retry-After may ask for


class Unreadable(Enum):
    """The one value that stands for a body that is no JSON, too long, or cut off."""

    BODY = auto()


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer. `body` is None when it was too long, encoded, or broke off."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)  # names in lower case
    body: bytes | None = b""
    url: str = ""  # of the request

    @property
    def json(self) -> object:
        """The body's JSON value, or Unreadable.BODY."""
        try:
            return json.loads(self.body or b"")
        except (ValueError, RecursionError):
            return Unreadable.BODY

    @property
    def is_definitive(self) -> bool:
        """Whether repeating the call can change nothing: a client error, or a redirect."""
        return 300 <= self.status < 500 and self.status not in DEFINITIVE_EXCEPT  # noqa: PLR2004

    @property
    def is_good(self) -> bool:
        """Whether it is a 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004


class Cause(Enum):
    """Why there is no answer."""

    NETWORK = "network"
    TIME_OUT = "time-out"
    TOKEN = "token"  # noqa: S105 - a cause, not a secret
    THROTTLED = "throttled"  # not sent: the API asked for a pause
    NO_TIME = "no-time"  # not sent: it could outlive the lease


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """A call without an answer. `sent`: it may have arrived all the same."""

    cause: Cause
    sent: bool
    until: datetime | None = None  # when a pause ends


Reply = Answer | NoAnswer


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that `Retry-After` asks for (RFC 9110, 10.2.3: seconds or an HTTP date).

    Between 1 s and 1 h; None when it is absent or cannot be read.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        seconds = float(text)
    else:
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, TypeError, OverflowError):
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = (moment - now).total_seconds()
    return min(max(seconds, SHORTEST_WAIT), LONGEST_WAIT)


def error_of(answer: Answer) -> Error:
    """Code and message of an error answer; `Http<status>` where the body names no code."""
    code, message = _error_fields(answer.json)
    if not message and answer.body:
        message = plain(answer.body.decode("utf-8", "replace"), MESSAGE_LIMIT)
    return Error(
        cut(clean(code), CODE_LIMIT) or f"Http{answer.status}",
        cut(clean(message), MESSAGE_LIMIT) or f"HTTP {answer.status} {_phrase(answer.status)}",
    )


def error_in(value: object) -> str:
    """An error that a body holds as an object or a string, in one line; empty without."""
    code, message = _error_fields({"error": value})
    return ": ".join(part for part in (code, message) if part)


def _error_fields(body: object) -> tuple[str, str]:
    if isinstance(body, str):
        return "", body
    if not isinstance(body, dict):
        return "", ""
    inner = body.get("error") or body
    if isinstance(inner, str):
        return "", inner
    if not isinstance(inner, dict):
        return "", ""
    return _text(inner, "code", "Code"), _text(inner, "message", "Message")


def _text(fields: Mapping[str, object], *names: str) -> str:
    return next((str(fields[n]) for n in names if isinstance(fields.get(n), str | int)), "")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "(no standard status)"
