"""Tells which metadata of a queue message the message's own text has replaced.

The Functions host reads a text from `{` to `}` with a lenient JSON reader (Newtonsoft's: single
quotes, bare names, comments, a trailing comma) and lets each top-level property take the place of
the queue's metadata of the same name, in any letter case, unless its value is null or an array.
Seen on host 4.1037. In doubt a name counts as replaced: what is replaced must not be believed.
"""

import re
from collections.abc import Iterator

REPLACEABLE = frozenset({"id", "insertiontime", "dequeuecount"})
"""The names, in lower case, of the metadata that the app reads."""

_DEPTH_LIMIT = 64  # the reader refuses what is nested deeper
_DIGITS_LIMIT = 380  # and a longer whole number

# All possessive: nothing is read twice, so that hostile texts take linear time, too.
_STRING = r"""(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"|'[^'\\]*+(?:\\.[^'\\]*+)*+')"""
_COMMENT = r"(?:/\*.*?\*/|//[^\r\n]*+)"
_GAP = rf"(?:\s++|{_COMMENT})*+"
_INSIDE = rf"""(?:[^"'/{{}}\[\]]++|{_STRING}|{_COMMENT})*+"""
_FLAT = rf"[\[{{]{_INSIDE}[\]}}]"  # an array or object with none inside
_PROPERTY = re.compile(
    rf"""{_GAP}(?P<name>{_STRING}|[^\s"'/{{}}\[\]:,]++){_GAP}:{_GAP}"""
    rf"""(?:(?P<value>{_FLAT}|{_STRING}|[^"'/{{}}\[\]:,]++){_GAP}(?:,|(?=}}))|(?P<open>[\[{{]))""",
    re.DOTALL,
)
_BRACKET = re.compile(rf"(?:{_INSIDE}{_FLAT})*+{_INSIDE}([\[\]{{}}])", re.DOTALL)
_AFTER = re.compile(rf"{_GAP}(?:,|(?=}}))", re.DOTALL)
_END = re.compile(rf"{_GAP}}}", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)


class _RefusedError(ValueError):
    """A text that the reader refuses: it replaces nothing."""


def replaced_metadata(text: str) -> frozenset[str]:
    """Those of REPLACEABLE that a message's text names itself. Takes linear time."""
    stripped = text.strip()
    if not (stripped.startswith("{") and stripped.endswith("}")):
        return frozenset()

    try:
        return REPLACEABLE.intersection(_properties(stripped))
    except _RefusedError:
        return frozenset()


def _properties(text: str) -> Iterator[str]:
    """The names, in lower case, of the top-level properties that are neither null nor an array.

    Raises _RefusedError.
    """
    position = 1

    while found := _PROPERTY.match(text, position):
        name, value, opened = found.groups()
        position = found.end() if value else _after_nested(text, found.end())
        value = (value or opened).rstrip()
        if len(value) > _DIGITS_LIMIT and value.isdigit():
            raise _RefusedError
        if value[0] != "[" and value not in ("null", "undefined"):
            yield _plain(name)

    end = _END.match(text, position)
    if not end or end.end() < len(text):
        raise _RefusedError


def _after_nested(text: str, position: int) -> int:
    """Where the next property begins after a nested value whose bracket has just opened."""
    depth = 2

    while depth > 1:
        found = _BRACKET.match(text, position)
        if not found or depth >= _DEPTH_LIMIT:  # the innermost level is not counted: it is flat
            raise _RefusedError
        depth += 1 if found[1] in "[{" else -1
        position = found.end()

    after = _AFTER.match(text, position)
    if not after:
        raise _RefusedError
    return after.end()


def _plain(name: str) -> str:
    """A property's name in lower case, without quotation marks and escapes."""
    if name[0] in "\"'":
        name = _ESCAPE.sub(_unescaped, name[1:-1])
    return name.lower()


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found[1], 16)) if found[1] else str(found[2])
