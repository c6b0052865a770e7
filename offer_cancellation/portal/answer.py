"""What a call of the API ended in, and how to read it.

The API's bodies have many shapes (object, array of one, string, HTML, nothing): reading one never
raises, it finds what is there. What is kept of them is bounded and holds no secrets.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from http import HTTPStatus

from offer_cancellation.status import CODE_LIMIT, MESSAGE_LIMIT, Error
from offer_cancellation.text import fit, plain

DEFINITIVE_EXCEPT = (401, 408, 429)  # client errors that waiting, or an operator, can mend
MIN_WAIT, MAX_WAIT = 1.0, 3600.0  # seconds that a Retry-After may ask for

_ID_LIMIT = 128  # characters of the API's id of a call
_NESTING_LIMIT = 5  # errors within an error
_TEXTS_LIMIT = 50  # of one error
_CODES = ("code", "errorcode", "faultcode", "odatacode")
_LEADING_CODE = re.compile(r"(?:[\w.]{1,200}(?:Exception|Error)\W{1,5})?([A-Z]{2,12}[0-9]{2,8})\b")
_MESSAGES = ("message", "description", "errordescription", "exceptionmessage", "detail", "title")
_INNER = ("details", "innererror", "innerexception", "errors", "modelstate", "odataerror")


class Unreadable(Enum):
    """The one value that stands for a body that is not JSON, too long, or cut off."""

    BODY = auto()


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer. `body` is None when it was too long or broke off.

    `sent_at` and `received_at`, by the app's clock, are when the request and the head of the
    answer passed.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)  # names in lower case
    body: bytes | None = b""
    url: str = ""  # of the request
    sent_at: datetime | None = None
    received_at: datetime | None = None

    @property
    def json(self) -> object:
        """The body's JSON value, or Unreadable.BODY."""
        try:
            return json.loads(self.body or b"")
        except (ValueError, RecursionError):
            return Unreadable.BODY

    @property
    def request_id(self) -> str | None:
        """The API's own id of the call, in the header `request-id`."""
        return fit(single(self.headers.get("request-id", "")), _ID_LIMIT) or None

    @property
    def is_empty(self) -> bool:
        """Whether the whole body is blank."""
        return self.body is not None and not self.body.strip()

    @property
    def is_definitive(self) -> bool:
        """Whether repeating the call can change nothing: a client error, or a redirect."""
        is_refused = HTTPStatus.BAD_REQUEST <= self.status < HTTPStatus.INTERNAL_SERVER_ERROR
        return self.is_redirect or (is_refused and self.status not in DEFINITIVE_EXCEPT)

    @property
    def is_redirect(self) -> bool:
        """Whether it is a 3xx."""
        return HTTPStatus.MULTIPLE_CHOICES <= self.status < HTTPStatus.BAD_REQUEST

    @property
    def is_success(self) -> bool:
        """Whether it is a 2xx."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def is_outage(self) -> bool:
        """Whether it says nothing about the request: 401, 408, 429, a 5xx, or no real status."""
        return not (self.is_success or self.is_definitive)

    @property
    def clock_offset(self) -> float:
        """Seconds to add to the API's times to have them by the app's clock.

        The `Date` header has whole seconds: up to one second outside the time of the exchange it
        says nothing, beyond that the distance to the nearer end counts. An answer from a cache
        (`Age`: RFC 9111, 5.1) has the date of another exchange.
        """
        date = None if "age" in self.headers else _http_date(self.headers.get("date", ""))
        if date is None or self.sent_at is None or self.received_at is None:
            return 0.0

        before = (self.sent_at - date).total_seconds()
        after = (date - self.received_at).total_seconds()
        if before > 1:
            return before
        return -after if after > 1 else 0.0


class Cause(Enum):
    """Why there is no answer."""

    NETWORK = "network"
    TIME_OUT = "time-out"
    TOKEN = "token"  # noqa: S105 - a cause, not a secret
    THROTTLED = "throttled"  # not sent: the API asked for a pause
    NO_TIME = "no-time"  # not sent: it could outlive the lease


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """A call without an answer. `sent`: it may have arrived all the same.

    `paused_until`: when a pause ends; `error`: what kept it from being answered.
    """

    cause: Cause
    sent: bool
    paused_until: datetime | None = None
    error: Error | None = None


Reply = Answer | NoAnswer


def single(value: str) -> str:
    """A header's value; one value given several times (joined with commas) counts once."""
    parts = [part.strip() for part in value.split(",")]
    for length in range(1, len(parts) // 2 + 1):
        times, rest = divmod(len(parts), length)
        if rest == 0 and parts == parts[:length] * times:
            return ", ".join(parts[:length])

    return value.strip()


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that `Retry-After` asks for (RFC 9110, 10.2.3: seconds or an HTTP date).

    A fraction, which the RFC does not have, is rounded up. Between 1 s and 1 h; None when it is
    absent or cannot be read.
    """
    text = single(headers.get("retry-after", ""))
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        return float(math.ceil(min(max(float(text), MIN_WAIT), MAX_WAIT)))

    moment = _http_date(text)
    if moment is None:
        return None

    return min(max((moment - now).total_seconds(), MIN_WAIT), MAX_WAIT)


def error_of(answer: Answer) -> Error:
    """Code and message of an error answer; `Http<status>` where the body names no code.

    The message holds the error's details, inner errors and descriptions, too.
    """
    code, message = _error_fields(answer.json)
    if not message and answer.body:
        message = plain(answer.body.decode("utf-8", "replace"), MESSAGE_LIMIT)
        code = code or _told(message)[0]
    return Error(
        fit(code, CODE_LIMIT) or f"Http{answer.status}",
        fit(message, MESSAGE_LIMIT) or f"HTTP {answer.status} {_phrase(answer.status)}",
    )


def is_error(body: object) -> bool:
    """Whether a JSON body is an error: it has an `error`, or a code and a message."""
    if isinstance(body, list):
        body = body[0] if body else None
    if not isinstance(body, dict):
        return False

    fields = _plain_names(body)
    code, message = _error_fields(body)
    return bool(fields.get("error") or fields.get("odataerror") or (code and message))


def error_in(value: object) -> str:
    """An error that a body holds as an object or a string, in one line; empty without."""
    code, message = _error_fields({"error": value})
    return ": ".join(part for part in (code, message) if part)


def _error_fields(body: object) -> tuple[str, str]:
    """Code and message of a body; the message with everything else that it says."""
    if isinstance(body, list) and len(body) == 1:
        body = body[0] if isinstance(body[0], dict) else body
    if isinstance(body, str):
        return _told(body)
    if not isinstance(body, dict):
        return "", ""

    fields = _plain_names(body)
    inner = fields.pop("error", None) or fields.pop("odataerror", None)
    if isinstance(inner, dict):
        error = _plain_names(inner)
        texts = [*_texts(error), *_texts(fields)]
    else:
        error = fields
        texts = [*([inner] if isinstance(inner, str) else []), *_texts(fields)]
    return _text(error, *_CODES), "; ".join(dict.fromkeys(texts[:_TEXTS_LIMIT]))


def _told(text: str) -> tuple[str, str]:
    """Code and message of a sentence: a code in front, and perhaps JSON that says more behind it.

    The name of an exception's type in front of it is a part of the message.
    """
    start = text.find("{")
    inner_code, inner_message = _error_fields(_object_in(text[start:]) if start >= 0 else None)
    leading = _LEADING_CODE.match(text.lstrip())
    head = text[:start].rstrip(" \t\r\n-:|") if inner_code or inner_message else text
    message = "; ".join(part for part in (head, inner_message) if part.strip())

    return leading[1] if leading else inner_code, message


def _object_in(text: str) -> object:
    """The JSON object that a text begins with, whatever follows it; else None."""
    try:
        return json.JSONDecoder().raw_decode(text)[0]
    except (ValueError, RecursionError):
        return None


def _texts(fields: Mapping[str, object], depth: int = 0) -> Iterator[str]:
    """What an error says: its message, then what its descriptions and inner errors add."""
    for name in _MESSAGES:
        if text := _sentence(fields.get(name)):
            yield text

    if depth < _NESTING_LIMIT:
        for name in _INNER:
            yield from _inner_texts(fields.get(name), depth + 1)


def _inner_texts(value: object, depth: int) -> Iterator[str]:
    if isinstance(value, str) and value.strip():
        yield value
    elif isinstance(value, list) and depth <= _NESTING_LIMIT:
        for item in value[:_TEXTS_LIMIT]:
            yield from _inner_texts(item, depth + 1)
    elif isinstance(value, dict):
        fields = _plain_names(value)
        code = _text(fields, *_CODES)
        texts = list(_texts(fields, depth))
        if texts or code:
            yield ": ".join(part for part in (code, "; ".join(texts)) if part)
        elif depth <= _NESTING_LIMIT:  # ModelState: lists of messages, by the field's name
            for name, inner in list(value.items())[:_TEXTS_LIMIT]:
                for text in _inner_texts(inner, depth + 1):
                    yield f"{name}: {text}" if name else text


def _sentence(value: object) -> str:
    """A message: a string, a number, or OData's `{"lang": …, "value": …}`."""
    if isinstance(value, dict):
        value = value.get("value")
    return str(value) if isinstance(value, str | int) and str(value).strip() else ""


def _plain_names(fields: Mapping[str, object]) -> dict[str, object]:
    """The fields by their names without letter case, `_`, `-` and `.`; the first of equal ones."""
    found: dict[str, object] = {}
    for name, value in fields.items():
        found.setdefault(re.sub(r"[_.\s-]", "", name).lower(), value)

    return found


def _text(fields: Mapping[str, object], *names: str) -> str:
    return next((str(fields[n]) for n in names if isinstance(fields.get(n), str | int)), "")


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(single(text))
    except (ValueError, TypeError, OverflowError):
        return None

    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "(no standard status)"
