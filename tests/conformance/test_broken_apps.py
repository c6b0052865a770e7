"""That the worker notices what a direct call of the functions would not: the app, broken."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conformance.probing import ROOT, probe

STORAGE = {"CANCEL_STORAGE": "UseDevelopmentStorage=true"}
TRIGGER = "cancel_trigger/function.py"
WORK = """\
    shared = await services()
    await handle(Message.received(message, shared.clock()), shared)"""


@dataclass(frozen=True, slots=True)
class Break:
    """One change of the app's source, and what the worker says of it."""

    file: str
    old: str
    new: str
    fault: str


REFUSED = Break(
    TRIGGER, "cancel_trigger(message:", "cancel_trigger(msg:", "declared in Python but not in"
)
FAILING = Break(TRIGGER, WORK, '    raise LookupError("x")', "LookupError: x")


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
    assert 1 == source.count(broken.old)
    path.write_text(source.replace(broken.old, broken.new))


def test_the_copy_is_as_good_as_the_app(app: Path) -> None:
    """Unbroken, the copy is indexed; what the tests below find comes of their breaks."""
    assert probe(STORAGE, app) == probe(STORAGE)


def test_a_broken_app_is_refused(app: Path) -> None:
    """Indexing fails, and the host's log says why."""
    apply(REFUSED, app)

    found = probe(STORAGE, app)

    assert ["refused"] == list(found)
    assert REFUSED.fault in found["refused"]


def test_a_broken_function_fails_its_invocation(app: Path) -> None:
    """Indexing goes well; the invocation comes back as a failure."""
    apply(FAILING, app)

    found = probe(STORAGE, app, "cancel_trigger")

    assert not found["succeeded"]
    assert FAILING.fault in found["fault"]


def test_another_connection_shows_in_the_metadata(app: Path) -> None:
    """A binding that reads other settings than the app's own clients is told apart."""
    apply(Break(TRIGGER, '"CANCEL_STORAGE"', '"AzureWebJobsStorage"', ""), app)

    assert probe(STORAGE, app) != probe(STORAGE)
