"""The subset of OData filters that Table storage takes: comparisons, `and`, `or`, `not`, brackets.

A property that an entity does not have compares false.
"""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

Predicate = Callable[[Mapping[str, Any]], bool]
"""Whether an entity's JSON properties pass."""

_TOKEN = re.compile(
    r"\s*(?:(?P<bracket>[()])|(?P<typed>(?:datetime|guid|X|binary))?'(?P<text>(?:[^']|'')*)'"
    r"|(?P<number>-?\d+(?:\.\d+)?)L?|(?P<word>[A-Za-z_][A-Za-z0-9_]*))"
)
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}


class FilterError(ValueError):
    """The filter cannot be understood."""


def parse(text: str) -> Predicate:
    """The filter as a predicate. Raises FilterError."""
    parser = _Parser(text)
    predicate = parser.alternatives()
    parser.end()
    return predicate


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, Any]] = []
        position, text = 0, text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise FilterError(f"a filter is not understood at {text[position:]!r}")
            self._tokens.append(_token(match))
            position = match.end()

    def alternatives(self) -> Predicate:
        parts = [self._conjunction()]
        while self._skip("or"):
            parts.append(self._conjunction())
        return parts[0] if len(parts) == 1 else lambda row: any(part(row) for part in parts)

    def end(self) -> None:
        if self._tokens:
            raise FilterError(f"a filter goes on with {self._tokens[0][1]!r}")

    def _conjunction(self) -> Predicate:
        parts = [self._term()]
        while self._skip("and"):
            parts.append(self._term())
        return parts[0] if len(parts) == 1 else lambda row: all(part(row) for part in parts)

    def _term(self) -> Predicate:
        if self._skip("not"):
            inner = self._term()
            return lambda row: not inner(row)

        if self._skip("("):
            inner = self.alternatives()
            if not self._skip(")"):
                raise FilterError("a bracket is not closed")
            return inner

        return self._comparison()

    def _comparison(self) -> Predicate:
        _, name = self._take()
        _, word = self._take()
        kind, value = self._take()
        compare = _OPERATORS.get(str(word))
        if compare is None or kind == "bracket":
            raise FilterError(f"{word!r} is not a comparison")
        if kind == "word":
            value = {"true": True, "false": False}.get(str(value))

        def holds(row: Mapping[str, Any]) -> bool:
            found = row.get(name)
            try:
                return found is not None and compare(found, value)
            except TypeError:
                return False

        if kind != "datetime":
            return holds

        moment = _plain_time(str(value))
        return lambda row: name in row and compare(_plain_time(str(row[name])), moment)

    def _take(self) -> tuple[str, Any]:
        if not self._tokens:
            raise FilterError("a filter breaks off")
        return self._tokens.pop(0)

    def _skip(self, what: str) -> bool:
        if self._tokens and self._tokens[0] in (("word", what), ("bracket", what)):
            self._tokens.pop(0)
            return True
        return False


def _token(match: re.Match[str]) -> tuple[str, Any]:
    if bracket := match["bracket"]:
        return "bracket", bracket
    if (text := match["text"]) is not None:
        return match["typed"] or "string", text.replace("''", "'")
    if number := match["number"]:
        return "number", float(number) if "." in number else int(number)
    return "word", match["word"]


def _plain_time(text: str) -> str:
    """An ISO 8601 time in UTC in the one form that sorts: seven digits after the point."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return f"{whole}.{fraction:0<7}"
