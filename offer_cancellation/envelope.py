"""Reads a queue message's text: plain or base64, a bare request or one in a CloudEvent.

Only the form is judged here; what the fields may hold is decided in `request`. Whatever a text of
64 KiB holds, reading it takes linear time.
"""

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any

from offer_cancellation.text import cut, mask_secrets

QUOTE_LIMIT = 80  # characters of a value or a name in an error
_READ_LIMIT = 4096  # characters of it that are searched for secrets: a token fits in
_DIGITS_LIMIT = 400  # of a whole number: int() takes quadratic time

_BLANK = " \t\r\n\ufeff"
_FORM = "JSON in UTF-8, as plain text or base64"
_DELIVER = "deliver CloudEvents 1.0 in JSON, structured, with the request in `data`"
_EVENT_GRID = frozenset({"eventType", "eventTime", "dataVersion"})
_URL_SAFE = str.maketrans("-_", "+/")

_NEITHER = "neither JSON, which begins with { or [, nor base64 of it"
_UTF_16 = "this is UTF-16: encode it in UTF-8, in PowerShell with [Text.Encoding]::UTF8.GetBytes"
_UTF_32 = "this is UTF-32: encode it in UTF-8"
_GZIP = "this is compressed: send it as it was before"
_BASE64_TWICE = "this is base64 of base64: encode it once"
_HINTS = {
    '"': "this is a text in quotes: send the JSON itself",
    "'": "this is a text in quotes: send the JSON itself",
    "%7b": "this is percent-encoded: send the JSON itself",
    "%5b": "this is percent-encoded: send the JSON itself",
    "<": "this is XML or HTML: send JSON",
    "ÿþ": _UTF_16,
    "þÿ": _UTF_16,
}
"""What is known of a text that is neither JSON nor base64, by its beginning."""


_OTHER_ENCODINGS = tuple(
    (re.compile(start, re.DOTALL), codec, why)
    for start, codec, why in (
        (rb"\xff\xfe\0\0|[^\0]\0\0\0", "utf-32-le", _UTF_32),
        (rb"\0\0\xfe\xff|\0\0\0[^\0]", "utf-32-be", _UTF_32),
        (rb"\xff\xfe.*|[^\0]\0.*", "utf-16-le", _UTF_16),
        (rb"\xfe\xff.*|\0[^\0].*", "utf-16-be", _UTF_16),
        (rb"\x1f\x8b.*", "latin-1", _GZIP),  # RFC 1952
    )
)


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with a message: in which field, with which value, and what is allowed."""

    field: str
    value: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.field} is {self.value}: allowed is {self.allowed}"


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a message's text holds.

    `doubled` are the names given more than once, in order; `request_id` is the one that follows
    from a CloudEvent.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    errors: tuple[FieldError, ...] = ()
    request_id: str | None = None
    doubled: tuple[str, ...] = ()


class _UnreadableError(ValueError):
    """A text that cannot be read: what is seen of it, and why."""

    def __init__(self, seen: str, why: str) -> None:
        super().__init__(why)
        self.seen = seen
        self.why = why


def quoted(value: object) -> str:
    """A value as an error quotes it: JSON in ASCII, short, secrets masked."""
    try:
        return _short(json.dumps(value))
    except (ValueError, TypeError, RecursionError):
        return "a value nested too deep to quote"


def quoted_name(name: str) -> str:
    """A field's name as an error quotes it: the same without the quotation marks."""
    return _short(json.dumps(name)[1:-1])


def _short(text: str) -> str:
    return cut(mask_secrets(text[:_READ_LIMIT]), QUOTE_LIMIT)


def open_message(text: str) -> Envelope:
    """Reads a message's text. Never raises: what is wrong is among the envelope's errors."""
    doubled: set[str] = set()

    try:
        value = _json_value(_json_text(text), doubled)
    except _UnreadableError as error:
        allowed = f"{_FORM} ({error.why})"
        return Envelope(errors=(FieldError("message", quoted(error.seen), allowed),))

    inner = _open(value)
    return Envelope(inner.fields, inner.errors, inner.request_id, tuple(sorted(doubled)))


def _json_text(text: str) -> str:
    """The JSON text: as it is where it begins with `{` or `[`, else decoded from base64."""
    stripped = text.strip(_BLANK)
    if "\0" in stripped[1:2] or "\0" in stripped[2:3]:
        raise _UnreadableError(stripped[:_READ_LIMIT].replace("\0", ""), _UTF_16)
    if stripped[:1] in ("{", "["):
        return stripped
    if not stripped:
        raise _UnreadableError(text, "this is empty")

    hints = (why for start, why in _HINTS.items() if stripped[:3].lower().startswith(start))
    if why := next(hints, None):
        raise _UnreadableError(stripped, why)

    return _decoded(stripped)


def _decoded(text: str) -> str:
    """The JSON text in base64. Missing padding and the URL-safe alphabet need no guessing."""
    body = _from_base64(text)
    if body is None:
        raise _UnreadableError(text, _NEITHER)
    if other := _other_encoding(body):
        codec, why = other
        raise _UnreadableError(body[:_READ_LIMIT].decode(codec, "replace").strip(_BLANK), why)

    try:
        plain = body.decode("utf-8").strip(_BLANK)
    except UnicodeDecodeError as error:
        if len("".join(text.split())) % 4:  # hardly base64: a word, say
            raise _UnreadableError(text, _NEITHER) from None
        seen = body.decode("utf-8", "replace")
        raise _UnreadableError(seen, f"byte {error.start} is not UTF-8") from None

    if (_from_base64(plain) or b"")[:1] in (b"{", b"["):
        raise _UnreadableError(plain, _BASE64_TWICE)

    return plain


def _from_base64(text: str) -> bytes | None:
    signs = "".join(text.split())
    if "+" not in signs and "/" not in signs:
        signs = signs.translate(_URL_SAFE)
    if not signs.endswith("="):
        signs += "=" * (-len(signs) % 4)

    try:
        return base64.b64decode(signs, validate=True)
    except ValueError:
        return None


def _other_encoding(body: bytes) -> tuple[str, str] | None:
    """The codec of bytes that are not UTF-8, and what to say: JSON begins with ASCII."""
    for start, codec, why in _OTHER_ENCODINGS:
        if start.fullmatch(body[:4]):
            return codec, why

    return None


def _json_value(text: str, doubled: set[str]) -> object:
    """The value of a JSON text; the names that an object has twice are added to `doubled`."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) < len(pairs):
            seen: set[str] = set()
            for name, _ in pairs:
                (doubled if name in seen else seen).add(name)

        return fields

    try:
        return json.loads(
            text, object_pairs_hook=unique, parse_constant=_constant, parse_int=_integer
        )
    except json.JSONDecodeError as error:
        raise _UnreadableError(text, f"{error.msg} at character {error.pos}") from None
    except RecursionError:
        raise _UnreadableError(text, "nested too deep") from None
    except ValueError as error:
        raise _UnreadableError(text, str(error)) from None


def _constant(name: str) -> None:
    raise ValueError(f"{name} is not valid JSON")


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS_LIMIT:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _open(value: object) -> Envelope:
    if isinstance(value, list):
        if len(value) != 1 or not isinstance(value[0], dict) or "specversion" not in value[0]:
            allowed = f"an object, or an array of one CloudEvent; {_DELIVER}"
            return Envelope(errors=(FieldError("message", quoted(value), allowed),))
        value = value[0]

    if not isinstance(value, dict):
        return Envelope(errors=(FieldError("message", quoted(value), "a JSON object"),))
    if "specversion" in value:
        return _cloud_event(value)
    if _EVENT_GRID & value.keys():
        error = FieldError("message", "an event in Event Grid's schema", _DELIVER)
        return Envelope(errors=(error,))

    return Envelope(value)


def _cloud_event(event: dict[str, Any]) -> Envelope:
    """CloudEvents 1.0.2, JSON event format: `data` holds the request."""
    errors = [
        FieldError(name, quoted(event.get(name)), "a non-empty string")
        for name in ("id", "source", "type")
        if not isinstance(event.get(name), str) or not event[name]
    ]
    if event["specversion"] != "1.0":
        errors.append(FieldError("specversion", quoted(event["specversion"]), '"1.0"'))

    data = event.get("data")
    if "data_base64" in event:
        errors.append(FieldError("data_base64", "given", _DELIVER))
    elif not isinstance(data, dict):
        errors.append(FieldError("data", quoted(data), "an object: the request"))

    fields = dict(data) if isinstance(data, dict) else {}
    if "traceparent" in event:
        fields["traceparent"] = event["traceparent"]

    return Envelope(fields, tuple(errors), None if errors else _request_id(event))


def _request_id(event: dict[str, Any]) -> str:
    text = f"{event['source']}\0{event['id']}"
    return f"ce-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"
