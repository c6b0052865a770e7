"""A queue message's text as the fields of a request: base64 or plain, bare or in a CloudEvent.

Nothing is judged here but the form: what the fields may hold is `request`'s business.
"""

import base64
import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from offer_cancellation.text import cut

_BLANK = " \t\r\n\ufeff"
_DELIVER = "deliver CloudEvents 1.0 in JSON, structured, with the request in `data`"
_EVENT_GRID = frozenset({"eventType", "eventTime", "dataVersion"})


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a message: where, with which value, and what is allowed."""

    field: str
    value: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.field} is {self.value}: allowed is {self.allowed}"


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a message's text holds. `request_id` is the one that follows from a CloudEvent."""

    fields: dict[str, Any] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    request_id: str | None = None


def shown(value: object) -> str:
    """A value as a fault quotes it: JSON, ASCII, short."""
    try:
        return cut(json.dumps(value), 80)
    except (ValueError, TypeError, RecursionError):
        return "a value too deep to show"


def open_message(text: str) -> Envelope:
    """Reads a message's text. Never raises: what is wrong is among the envelope's faults."""
    try:
        plain = _plain(text)
        doubled = Counter[str]()
        value = json.loads(
            plain, object_pairs_hook=lambda pairs: _object(pairs, doubled), parse_constant=_refuse
        )
    except (ValueError, RecursionError) as error:
        return Envelope(faults=(Fault("message", shown(text), f"UTF-8 JSON ({_why(error)})"),))
    twice = tuple(
        Fault(name, "given more than once", "one value a field") for name in sorted(doubled)
    )
    inner = _open(value)
    return Envelope(inner.fields, twice + inner.faults, inner.request_id)


def _plain(text: str) -> str:
    """The JSON text: as it is when it begins with `{` or `[`, else decoded from base64."""
    stripped = text.strip(_BLANK)
    if stripped[:1] in ("{", "["):
        return stripped
    try:
        decoded = base64.b64decode("".join(stripped.split()), validate=True)
    except ValueError:
        raise ValueError("neither JSON, which begins with { or [, nor base64") from None
    return decoded.decode("utf-8").strip(_BLANK)


def _object(pairs: list[tuple[str, Any]], doubled: Counter[str]) -> dict[str, Any]:
    counts = Counter(name for name, _ in pairs)
    doubled.update(name for name, count in counts.items() if count > 1)
    return dict(pairs)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _why(error: Exception) -> str:
    """What is wrong with the text, without quoting it."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos}"
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is no UTF-8"
    return "nested too deep" if isinstance(error, RecursionError) else str(error)


def _open(value: object) -> Envelope:
    if isinstance(value, list):
        if len(value) != 1 or not isinstance(value[0], dict) or "specversion" not in value[0]:
            allowed = f"an object, or an array of one CloudEvent; {_DELIVER}"
            return Envelope(faults=(Fault("message", shown(value), allowed),))
        value = value[0]
    if not isinstance(value, dict):
        return Envelope(faults=(Fault("message", shown(value), "a JSON object"),))
    if "specversion" in value:
        return _cloud_event(value)
    if _EVENT_GRID & value.keys():
        return Envelope(faults=(Fault("message", "an event in Event Grid's schema", _DELIVER),))
    return Envelope(value)


def _cloud_event(event: dict[str, Any]) -> Envelope:
    """CloudEvents 1.0.2, JSON event format: `data` holds the request."""
    faults = [
        Fault(name, shown(event.get(name)), "a non-empty string")
        for name in ("id", "source", "type")
        if not isinstance(event.get(name), str) or not event[name]
    ]
    if event["specversion"] != "1.0":
        faults.append(Fault("specversion", shown(event["specversion"]), '"1.0"'))
    data = event.get("data")
    if "data_base64" in event:
        faults.append(Fault("data_base64", "given", _DELIVER))
    elif not isinstance(data, dict):
        faults.append(Fault("data", shown(data), "an object: the request"))
    fields = dict(data) if isinstance(data, dict) else {}
    if "traceparent" in event:
        fields["traceparent"] = event["traceparent"]
    return Envelope(fields, tuple(faults), None if faults else _request_id(event))


def _request_id(event: dict[str, Any]) -> str:
    text = f"{event['source']}\0{event['id']}"
    return f"ce-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"
