"""Reads JSON as leniently as the Functions host does (Newtonsoft's reader), with its limits.

Beyond JSON it takes single quotes, bare names, trailing and repeated commas, comments, raw line
breaks in strings, hexadecimal and octal numbers, NaN, Infinity, undefined, `new Name(…)` and any
Unicode blank. A text that reads as a time becomes one. Not kept: comments, and where things stood.
"""

import re
import unicodedata
from dataclasses import dataclass
from enum import Enum
from typing import Final

from local.host.dotnet_time import Moment

_MAX_DEPTH = 64
_MAX_INTEGER_CHARACTERS = 380
_INT64_DIGITS = 19

# What .NET calls white space; Python's own idea also has U+001C to U+001F.
BLANKS: Final = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)

_BLANK = re.compile(f"[{BLANKS}]*")
_COMMENT = re.compile(r"//[^\r\n]*|/\*.*?\*/", re.DOTALL)
_STRINGS = {
    quote: re.compile(rf"{quote}((?:[^{quote}\\]+|\\.)*){quote}", re.DOTALL) for quote in "\"'"
}
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"} | {c: c for c in "\\\"'/"}
_PAIR = re.compile("([\ud800-\udbff])([\udc00-\udfff])")
_LONE = re.compile("[\ud800-\udfff]")
_LITERAL = re.compile(
    rf"(true|false|null|undefined|NaN|-?Infinity|new)(?=[{BLANKS},}}\])]|/[*/]|\Z)"
)
_NUMBER = re.compile(rf"([-.0-9][-+.0-9a-fA-FxX]*)(?=[{BLANKS},}}\])/]|\Z)")
_HEXADECIMAL = re.compile("0[xX]([0-9a-fA-F]+)")
_OCTAL = re.compile("[0-7]+")
_INTEGER = re.compile(r"-?([0-9]+)")
_FLOAT = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_AFTER_NAME = frozenset(BLANKS) | {":"}
_NAME_CATEGORIES = {"Lu", "Ll", "Lt", "Lm", "Lo", "Nd"}


class Undefined(Enum):
    """The value of `undefined`, and of nothing between two commas."""

    UNDEFINED = "undefined"


@dataclass(frozen=True, slots=True)
class Constructor:
    """The value of `new Name(…)`."""

    name: str
    arguments: list["Value"]


Value = (
    str | int | float | Moment | Undefined | Constructor | list["Value"] | dict[str, "Value"] | None
)

_LITERALS: dict[str, Value] = {
    "true": True,
    "false": False,
    "null": None,
    "undefined": Undefined.UNDEFINED,
    "NaN": float("nan"),
    "Infinity": float("inf"),
    "-Infinity": float("-inf"),
}


def read_object(text: str) -> dict[str, Value]:
    """Read a text that is one object; of a name given twice the last counts, in the first's place.

    ValueError: the host's reader refuses it.
    """
    trimmed = text.strip(BLANKS)
    if not (trimmed.startswith("{") and trimmed.endswith("}")):
        raise ValueError("not a JSON object")

    return _Reader(trimmed).read()


class _Reader:
    """Goes through one text from its start to its end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def read(self) -> dict[str, Value]:
        """Read the object that the text begins with, and nothing but comments after it."""
        value = self._object()
        self._skip()
        if self._next:
            raise self._error("text after the end")

        return value

    @property
    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _error(self, what: str) -> ValueError:
        return ValueError(f"{what} at character {self._at}")

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self._text, self._at)
        if match:
            self._at = match.end()

        return match

    def _take(self, character: str) -> bool:
        is_there = self._next == character
        self._at += is_there
        return is_there

    def _skip_blanks(self) -> None:
        self._match(_BLANK)

    def _skip(self) -> None:
        """Skip blanks and comments."""
        self._skip_blanks()
        while self._match(_COMMENT):
            self._skip_blanks()

    def _value(self) -> Value:
        match self._next:
            case ",":
                return Undefined.UNDEFINED
            case "{":
                return self._object()
            case "[":
                self._at += 1
                return self._items("]")
            case '"' | "'":
                text = self._string()
                return Moment.read(text) or text

        if literal := self._match(_LITERAL):
            return self._constructor() if literal[1] == "new" else _LITERALS[literal[1]]

        if number := self._match(_NUMBER):
            return _number(number[1])

        raise self._error("not a value")

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._error(f"more than {_MAX_DEPTH} levels")

    def _object(self) -> dict[str, Value]:
        self._at += 1
        self._enter()
        properties: dict[str, Value] = {}
        self._skip()
        while not self._take("}"):
            name = self._name()
            self._skip_blanks()
            if not self._take(":"):
                raise self._error("no colon after a name")

            self._skip()
            properties[name] = self._value()
            self._end_of_value("}")

        self._depth -= 1
        return properties

    def _items(self, closing: str) -> list[Value]:
        self._enter()
        items: list[Value] = []
        self._skip()
        while not self._take(closing):
            items.append(self._value())
            self._end_of_value(closing)

        self._depth -= 1
        return items

    def _end_of_value(self, closing: str) -> None:
        """Go on to the next value or to the closing bracket, which is not taken yet."""
        self._skip()
        if self._take(","):
            self._skip()
        elif self._next != closing:
            raise self._error(f"neither a comma nor {closing}")

    def _name(self) -> str:
        if self._next in _STRINGS:
            return self._string()

        name = self._letters("_$")
        if not name or self._next not in _AFTER_NAME:
            raise self._error("not a name")

        return name

    def _letters(self, others: str = "") -> str:
        start = self._at
        while self._next and (self._next in others or _is_letter(self._next)):
            self._at += 1

        return self._text[start : self._at]

    def _string(self) -> str:
        match = self._match(_STRINGS[self._next])
        if match is None:
            raise self._error("a string without an end")

        # Only an escape can bring half a pair; the reader puts U+FFFD in its place.
        text = _ESCAPE.sub(_unescaped, match[1])
        text = _PAIR.sub(lambda pair: _joined(pair[0]), text)
        return _LONE.sub("\ufffd", text)

    def _constructor(self) -> Constructor:
        self._skip_blanks()
        name = self._letters()
        self._skip_blanks()
        if not name or not self._take("("):
            raise self._error("not a constructor")

        return Constructor(name, self._items(")"))


def _is_letter(character: str) -> bool:
    return character <= "\uffff" and unicodedata.category(character) in _NAME_CATEGORIES


def _unescaped(escape: re.Match[str]) -> str:
    if escape[1]:
        return chr(int(escape[1], 16))

    if escape[2] not in _ESCAPES:
        raise ValueError(f"not an escape: {escape[0]!r}")

    return _ESCAPES[escape[2]]


def _joined(pair: str) -> str:
    return pair.encode("utf-16", "surrogatepass").decode("utf-16")


def _number(text: str) -> int | float:
    if len(text) > 1 and text[0] == "0" and text[1] not in ".eE":
        return _bits(text)

    if match := _INTEGER.fullmatch(text):
        if len(match[1]) > _INT64_DIGITS and len(text) > _MAX_INTEGER_CHARACTERS:
            raise ValueError(f"an integer of more than {_MAX_INTEGER_CHARACTERS} characters")

        return int(text)

    if _FLOAT.fullmatch(text):
        return float(text)

    raise ValueError("not a number")


def _bits(text: str) -> int:
    """Read `0x…`, or an octal number with its leading zero: 64 bits, the first is the sign."""
    if match := _HEXADECIMAL.fullmatch(text):
        number = int(match[1], 16)
    elif _OCTAL.fullmatch(text):
        number = int(text, 8)
    else:
        raise ValueError("not a number")

    if number >= 2**64:
        raise ValueError("a number of more than 64 bits")

    return number if number < 2**63 else number - 2**64
