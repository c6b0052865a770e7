"""What the app tells about itself: metrics and spans as it declares them, log events as logged.

An event's name is a text with a dot in it; its fields are the keywords of the call that is given
that text, those that the module's own helper adds, and the keys of what is unpacked with `**`.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache

from offer_cancellation import telemetry
from tests.infra.files import ROOT

PACKAGES = ("offer_cancellation", "cancel_trigger", "poll_timer")
_EVENT = re.compile(r"[a-z]+\.[a-z_]+")


def metrics() -> dict[str, frozenset[str]]:
    """The metrics, each with the attributes that it is given."""
    return dict(telemetry.METRICS)


def spans() -> frozenset[str]:
    """The names of the spans of a request's steps."""
    return telemetry.STEPS


def span_attributes() -> frozenset[str]:
    """The attributes that spans are given."""
    return telemetry.SPAN_ATTRIBUTES


@cache
def events() -> dict[str, set[str]]:
    """The log events of the app, each with its fields."""
    found: dict[str, set[str]] = {}
    for module in _modules():
        calls = [node for node in ast.walk(module) if isinstance(node, ast.Call)]
        logged = [(call, name) for call in calls if (name := _event_name(call))]
        passed_on = [call for call in calls if not _event_name(call) and _passes_on(call)]
        added = {field for call in passed_on for field in _fields(call)}
        for call, name in logged:
            is_direct = isinstance(call.func, ast.Attribute) and call.func.attr == "event"
            found.setdefault(name, set()).update(_fields(call), () if is_direct else added)
    return found


@cache
def _modules() -> tuple[ast.Module, ...]:
    paths = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    logging = [path for path in paths if path.name != "telemetry.py"]  # its names are spans
    return tuple(ast.parse(path.read_text(encoding="utf-8")) for path in logging)


def _event_name(call: ast.Call) -> str | None:
    """The text with a dot among the first two arguments."""
    texts = [arg.value for arg in call.args[:2] if isinstance(arg, ast.Constant)]
    return next((t for t in texts if isinstance(t, str) and _EVENT.fullmatch(t)), None)


def _passes_on(call: ast.Call) -> bool:
    """Whether a call unpacks the keywords of the function that it stands in."""
    return any(one.arg is None and isinstance(one.value, ast.Name) for one in call.keywords)


def _fields(call: ast.Call) -> Iterator[str]:
    for keyword in call.keywords:
        if keyword.arg:
            yield keyword.arg
        else:
            yield from _keys_of(_name(keyword.value))


@cache
def _keys_of(function: str) -> frozenset[str]:
    """The keys of the dictionaries that are written out in functions and properties of a name."""
    return frozenset(
        key.value
        for module in _modules()
        for node in ast.walk(module)
        if isinstance(node, ast.FunctionDef) and node.name == function
        for part in ast.walk(node)
        if isinstance(part, ast.Dict)
        for key in part.keys
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    )


def _name(node: ast.expr) -> str:
    """What is called or read: `f` of `a.f()`, of `a.f` and of `f`."""
    inner = node.func if isinstance(node, ast.Call) else node
    return inner.attr if isinstance(inner, ast.Attribute) else ast.unparse(inner)
