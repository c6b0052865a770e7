"""What the app tells about itself, read from its source: metrics, spans and log events.

Nothing is imported or run; a name that is not written out as a text is not found.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.infra.files import ROOT

PACKAGES = ("offer_cancellation", "cancel_trigger", "poll_timer")
TELEMETRY = ROOT / "offer_cancellation" / "telemetry.py"
LOG = ROOT / "offer_cancellation" / "log.py"


@cache
def metrics() -> dict[str, set[str]]:
    """The metrics of telemetry.py, each with the attributes that it is given."""
    tree = _tree(TELEMETRY)
    variables = {
        statement.targets[0].id: _text(statement.value.args[0])
        for statement in tree.body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Name)
        and isinstance(statement.value, ast.Call)
        and _called(statement.value).startswith("create_")
    }
    found: dict[str, set[str]] = {name: set() for name in variables.values()}
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        for call in _calls(function):
            owner = call.func.value if isinstance(call.func, ast.Attribute) else None
            if isinstance(owner, ast.Name) and owner.id in variables:
                found[variables[owner.id]] |= _keys(call.args[1:], function)
    return found


@cache
def spans() -> set[str]:
    """The names of the spans of a request's steps."""
    return {
        _text(call.args[0])
        for call in _calls(_tree(TELEMETRY))
        if _called(call) in ("_step", "start_as_current_span") and _is_text(call.args[0])
    }


@cache
def span_attributes() -> set[str]:
    """The attributes that spans are given."""
    tree = _tree(TELEMETRY)
    found = {_text(call.args[0]) for call in _calls(tree) if _called(call) == "set_attribute"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            target = node.targets[0]
            if isinstance(target, ast.Name) and target.id == "attributes":
                found |= _keys([node.value], tree)
            if isinstance(target, ast.Subscript) and ast.unparse(target.value) == "attributes":
                found.add(_text(target.slice))
    return found


@cache
def events() -> dict[str, set[str]]:
    """The log events of the app, each with its fields."""
    found: dict[str, set[str]] = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for name, fields in _events(_tree(path)):
                found.setdefault(name, set()).update(fields)
    return found


def _events(tree: ast.Module) -> Iterator[tuple[str, set[str]]]:
    """Calls of `log.event`, and of a module's `_log`, which adds the fields of its own."""
    added: set[str] = set()
    for call in _calls(tree):
        if _called(call) == "event" and len(call.args) > 1:
            if _is_text(call.args[1]):
                yield _text(call.args[1]), _fields(call)
            else:
                added |= _fields(call)
    for call in _calls(tree):
        if _called(call) == "_log":
            yield _text(call.args[0]), _fields(call) | added


def _fields(call: ast.Call) -> set[str]:
    named = {keyword.arg for keyword in call.keywords if keyword.arg}
    rest = [ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg is None]
    return named | (_fault_fields() if any("fault_fields" in one for one in rest) else set())


def _fault_fields() -> set[str]:
    function = next(
        node
        for node in ast.walk(_tree(LOG))
        if isinstance(node, ast.FunctionDef) and node.name == "fault_fields"
    )
    returned = [node.value for node in ast.walk(function) if isinstance(node, ast.Return)]
    return _keys([value for value in returned if value], function)


def _keys(values: list[ast.expr], where: ast.AST) -> set[str]:
    """The keys of dictionaries that are written out, or assigned to a name in `where`."""
    found: set[str] = set()
    for value in values:
        if isinstance(value, ast.Dict):
            found |= {_text(key) for key in value.keys if key}
        elif isinstance(value, ast.Name):
            for node in ast.walk(where):
                if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == value.id:
                    found |= _keys([node.value], where)
    return found


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


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))
