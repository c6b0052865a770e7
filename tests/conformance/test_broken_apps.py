"""That the worker notices what a direct call of the functions would not: the app, broken."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conformance.probing import ROOT, probe

STORAGE = {"CANCEL_STORAGE": "UseDevelopmentStorage=true"}
TRIGGER, TIMER = "cancel_trigger/__init__.py", "poll_timer/__init__.py"
WORK = "    shared = clients()\n    await handle(Message.received(message, shared.clock()), shared)"


@dataclass(frozen=True, slots=True)
class Break:
    """One change of the app's source, and what the worker says of it."""

    file: str
    old: str
    new: str
    fault: str


REFUSED = {
    "wrong annotation": Break(
        TRIGGER, "message: func.QueueMessage", "message: func.TimerRequest",
        "function parameter's Python type annotation TimerRequest",
    ),
    "annotation that is no type": Break(
        TIMER, "timer: func.TimerRequest", "timer: 42", "binding timer has invalid non-type"
    ),
    "renamed argument": Break(
        TRIGGER, "cancel_trigger(message:", "cancel_trigger(msg:", "declared in Python but not in"
    ),
    "one argument more": Break(
        TIMER, "timer: func.TimerRequest)", "timer: func.TimerRequest, other: str)",
        "the following parameters are declared in Python but not in the function definition",
    ),
    "missing package": Break(
        TIMER, "import azure.functions", "import no_such_package\nimport azure.functions",
        "ModuleNotFoundError: No module named 'no_such_package'",
    ),
    "no app": Break(
        "function_app.py", "(poll_timer)", "(poll_timer)\napp = None",
        "Could not find top level function app instances",
    ),
    "a name twice": Break(
        TIMER, 'function_name("poll_timer")', 'function_name("cancel_trigger")', "cancel_trigger"
    ),
}  # fmt: skip

FAILING = {
    "a return value": Break(
        TRIGGER, WORK, '    return "done"', "without a $return bindingreturned a non-None value"
    ),
    "an exception": Break(TRIGGER, WORK, '    raise LookupError("x")', "LookupError: x"),
}


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A copy of the app as it is deployed."""
    shutil.copy(ROOT / "function_app.py", tmp_path)
    for package in ("cancel_trigger", "poll_timer", "offer_cancellation"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, tmp_path / package, ignore=ignored)
    return tmp_path


def apply(broken: Break, app: Path) -> None:
    """Makes the change; the source must be as the break expects it."""
    path = app / broken.file
    source = path.read_text()
    assert source.count(broken.old) == 1
    path.write_text(source.replace(broken.old, broken.new))


def test_the_copy_is_as_good_as_the_app(app: Path) -> None:
    """Unbroken, the copy is indexed; what the tests below find comes of their breaks."""
    assert probe(STORAGE, app) == probe(STORAGE)


@pytest.mark.parametrize("name", REFUSED)
def test_a_broken_app_is_refused(app: Path, name: str) -> None:
    """Indexing fails, and the host's log says why."""
    apply(REFUSED[name], app)

    found = probe(STORAGE, app)

    assert list(found) == ["refused"]
    assert REFUSED[name].fault in found["refused"]


@pytest.mark.parametrize("name", FAILING)
def test_a_broken_function_fails_its_invocation(app: Path, name: str) -> None:
    """Indexing goes well; the invocation comes back as a failure."""
    apply(FAILING[name], app)

    found = probe(STORAGE, app, "cancel_trigger")

    assert not found["succeeded"]
    assert FAILING[name].fault in found["fault"]


def test_another_connection_shows_in_the_metadata(app: Path) -> None:
    """A binding that reads other settings than the app's own clients is told apart."""
    apply(Break(TRIGGER, '"CANCEL_STORAGE"', '"AzureWebJobsStorage"', ""), app)

    assert probe(STORAGE, app) != probe(STORAGE)
