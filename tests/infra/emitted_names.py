"""What the app tells about itself: metrics and spans as it declares them, log events as logged.

Log events are read from the source: a name that is not written out as a text is not found.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from offer_cancellation import telemetry
from tests.infra.files import ROOT

PACKAGES = ("offer_cancellation", "cancel_trigger", "poll_timer")
EVENT = re.compile(r"(cancel|poll|outcome|adoption|ledger|api|token)\.[a-z_]+")
Function = ast.FunctionDef | ast.AsyncFunctionDef


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

    for path in _sources():
        for name, fields in _events(_tree(path)):
            found.setdefault(name, set()).update(fields)

    return found


def _events(tree: ast.Module) -> Iterator[tuple[str, set[str]]]:
    """Every call with an event's name, and the fields that it gives.

    A function that logs under a name that it is given adds its own fields to those of its callers;
    one that hands on its own `**fields` logs what its callers give.
    """
    helpers: dict[str, set[str]] = {}
    named: list[tuple[str, str, set[str]]] = []
    given: dict[str, set[str]] = {}

    for function in _functions(tree):
        for call in _own_calls(function):
            given.setdefault(_called(call), set()).update(_fields(call, function))

    for function in _functions(tree):
        for call in _own_calls(function):
            names = [_text(one) for one in call.args if _is_text(one)]
            event = next((name for name in names if EVENT.fullmatch(name)), None)
            if event:
                handed_on = given.get(function.name, set()) if _hands_on(call, function) else set()
                named.append((event, _called(call), _fields(call, function) | handed_on))
            elif ast.unparse(call.func) == "log.event":
                helpers.setdefault(function.name, set()).update(_fields(call, function))

    for event, called, fields in named:
        yield event, fields | helpers.get(called, set())


def _hands_on(call: ast.Call, function: Function) -> bool:
    """Whether a call unfolds the `**` parameter of its function."""
    parameter = function.args.kwarg.arg if function.args.kwarg else None

    return any(
        keyword.arg is None and ast.unparse(keyword.value) == parameter for keyword in call.keywords
    )


def _fields(call: ast.Call, function: Function) -> set[str]:
    """The keywords of a call, and what its `**` unfolds to."""
    found: set[str] = set()

    for keyword in call.keywords:
        found |= {keyword.arg} if keyword.arg else _keys(keyword.value, function)

    return found


def _keys(value: ast.expr, function: Function) -> set[str]:
    """The keys of a dictionary: written out, assigned to a name, or returned by a function."""
    if isinstance(value, ast.Dict):
        return {_text(key) for key in value.keys if key}
    if isinstance(value, ast.Call) and _called(value) in _returned():
        return _returned()[_called(value)]
    if isinstance(value, ast.Name):
        return set().union(*(_assigned(node, value.id, function) for node in ast.walk(function)))

    return set()


def _assigned(node: ast.AST, name: str, function: Function) -> set[str]:
    """The keys that a statement gives to the dictionary of that name."""
    if isinstance(node, ast.NamedExpr) and node.target.id == name:
        return _keys(node.value, function)
    if isinstance(node, ast.AnnAssign) and node.value and ast.unparse(node.target) == name:
        return _keys(node.value, function)
    if isinstance(node, ast.Assign):
        target = node.targets[0]
        if isinstance(target, ast.Name) and target.id == name:
            return _keys(node.value, function)
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = zip(target.elts, node.value.elts, strict=True)
            return set().union(*(_keys(v, function) for t, v in pairs if ast.unparse(t) == name))
        if isinstance(target, ast.Subscript) and ast.unparse(target.value) == name:
            return {_text(target.slice)}

    return set()


@cache
def _returned() -> dict[str, set[str]]:
    """The keys that the functions named `…_fields` return, by the name of the function."""
    found: dict[str, set[str]] = {}

    for path in _sources():
        for function in _functions(_tree(path)):
            if function.name.endswith("_fields") and not function.name.startswith("_"):
                keys = found.setdefault(function.name, set())
                for node in ast.walk(function):
                    if isinstance(node, ast.Return) and node.value:
                        keys |= _texts_before_values(node.value)

    return found


def _texts_before_values(value: ast.expr) -> set[str]:
    """The keys of a written dictionary, or of `dict(zip(keys, values))`."""
    if isinstance(value, ast.Dict):
        return {_text(key) for key in value.keys if key}
    zipped = [call for call in _calls(value) if _called(call) == "zip"]

    return {_text(key) for call in zipped for key in call.args[0].elts}  # type: ignore[attr-defined]


def _functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def _own_calls(function: Function) -> Iterator[ast.Call]:
    """The calls of a function, without those of functions inside it."""
    inner = {
        id(call) for one in _functions(function) if one is not function for call in _calls(one)
    }

    return (call for call in _calls(function) if id(call) not in inner)


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _called(call: ast.Call) -> str:
    function = call.func

    return function.attr if isinstance(function, ast.Attribute) else ast.unparse(function)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _text(node: ast.expr) -> str:
    assert isinstance(node, ast.Constant), ast.unparse(node)
    assert isinstance(node.value, str), ast.unparse(node)

    return node.value


def _sources() -> Iterator[Path]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if path.name != "telemetry.py":  # its names are spans
                yield path


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))
