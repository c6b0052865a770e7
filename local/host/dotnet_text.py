"""Writes values as .NET does: invariant texts for metadata, compact JSON for objects in it."""

import math
import re
from decimal import Decimal

from local.host.dotnet_time import Moment
from local.host.lenient_json import Constructor, Undefined, Value

_DOUBLE_DIGITS = 15  # a number of more digits than that, and than it has, gets an exponent
_SMALLEST_PLAIN_SCALE = -3

_TO_ESCAPE = re.compile('["\\\\\x00-\x1f\x85\u2028\u2029]')
_SHORT_ESCAPES = {
    '"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"
}  # fmt: skip


def invariant(value: str | float | Moment) -> str:
    """Return the text of a plain value: `True`, `1000`, `1E-07`, `01/31/2030 12:00:00`."""
    match value:
        case bool() | int():
            return str(value)
        case float():
            return _double(value)
        case Moment():
            moment = value.whole
            return f"{moment:%m/%d/}{moment.year:04}{moment: %H:%M:%S}"
        case _:
            return value


def compact(value: Value) -> str:
    """Return the JSON of a value without blanks, and with no more escapes than there must be."""
    match value:
        case dict():
            members = (f"{_quoted(name)}:{compact(member)}" for name, member in value.items())
            return f"{{{','.join(members)}}}"
        case list():
            return f"[{','.join(map(compact, value))}]"
        case Constructor():
            return f"new {value.name}({','.join(map(compact, value.arguments))})"
        case str():
            return _quoted(value)
        case Moment():
            return f'"{_iso(value)}"'
        case _:
            return _literal(value)


def _literal(value: float | Undefined | None) -> str:
    match value:
        case None:
            return "null"
        case Undefined():
            return value.value
        case bool():
            return str(value).lower()
        case float():
            return _json_double(value)
        case _:
            return str(value)


def _double(value: float) -> str:
    if math.isnan(value):
        return "NaN"

    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"

    sign = "-" if math.copysign(1, value) < 0 else ""
    if value == 0:
        return f"{sign}0"

    # The shortest digits that read back as the same number; `scale` is where the point stands.
    written = Decimal(repr(abs(value))).normalize().as_tuple()
    digits = "".join(map(str, written.digits))
    scale = len(digits) + int(written.exponent)
    if scale > max(len(digits), _DOUBLE_DIGITS) or scale < _SMALLEST_PLAIN_SCALE:
        point = "." if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{point}{digits[1:]}E{scale - 1:+03}"

    if scale <= 0:
        return f"{sign}0.{'0' * -scale}{digits}"

    whole, fraction = digits[:scale].ljust(scale, "0"), digits[scale:]
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def _json_double(value: float) -> str:
    text = _double(value)
    if not math.isfinite(value):
        return f'"{text}"'

    return text if {".", "E"} & set(text) else f"{text}.0"


def _iso(moment: Moment) -> str:
    fraction = f".{moment.fraction:07}".rstrip("0") if moment.fraction else ""
    return f"{moment.whole.isoformat()}{fraction}{moment.zone}"


def _quoted(text: str) -> str:
    escaped = _TO_ESCAPE.sub(
        lambda found: _SHORT_ESCAPES.get(found[0], f"\\u{ord(found[0]):04x}"), text
    )
    return f'"{escaped}"'
