"""The pinned dependencies: all that is asked for is locked, with hashes, for the right Python."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytestmark = pytest.mark.slow


ROOT = Path(__file__).parents[2]
DEPLOYED = "requirements.txt"
GUARD = "only-python-3-13"
PAIRS = [
    ("requirements.in", DEPLOYED),
    ("requirements.in", "requirements-dev.txt"),
    ("requirements-dev.in", "requirements-dev.txt"),
    ("requirements-infra.in", "requirements-infra.txt"),
]


def requirements(file: str, python: str) -> dict[str, str]:
    """The version of each package that a file asks for on a Python on Linux, by its plain name."""
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": "linux",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }
    text = (ROOT / file).read_text(encoding="utf-8")
    asked = [
        Requirement(line)
        for line in re.findall(r"(?m)^([A-Za-z0-9][^#\n\\]*?)\s*(?:#.*|\\)?$", text)
    ]

    return {
        str(canonicalize_name(one.name)): str(one.specifier)
        for one in asked
        if one.marker is None or one.marker.evaluate(environment)
    }


def pip_install(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What this Python's pip says it would do, without doing it."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", *arguments]

    return subprocess.run(  # noqa: S603 - our own command
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=110
    )


@pytest.mark.parametrize(("asked", "locked"), PAIRS)
def test_what_is_asked_for_is_what_is_locked(asked: str, locked: str) -> None:
    """Each pin of a .in file is in its .txt file, on each Python that it is for: `make lock`."""
    for python in ["3.13"] if locked == DEPLOYED else ["3.11", "3.12", "3.13"]:
        direct = requirements(asked, python)

        found = requirements(locked, python)

        assert direct
        assert direct == {name: found.get(name) for name in direct}


@pytest.mark.parametrize(
    "file", ["requirements.in", "requirements-dev.in", "requirements-infra.in"]
)
def test_every_direct_pin_is_exact(file: str) -> None:
    """A .in file leaves no choice, so that a new version is somebody's decision."""
    pins = requirements(file, "3.13")

    assert [] == [pin for pin in pins.values() if not re.fullmatch(r"==[^*]+", pin)]


def test_the_tests_run_with_what_is_deployed() -> None:
    """On 3.13, development has each package of the deployed file in the same version."""
    deployed = requirements(DEPLOYED, "3.13")
    development = requirements("requirements-dev.txt", "3.13")

    assert deployed == {name: development.get(name) for name in deployed}


@pytest.mark.parametrize("file", sorted({locked for _, locked in PAIRS}))
def test_every_locked_package_has_its_hashes(file: str) -> None:
    """No version can be installed from a file that the lock has not seen."""
    text = (ROOT / file).read_text(encoding="utf-8").replace("\\\n", "")
    packages = [line for line in text.splitlines() if "==" in line and "@" not in line]

    assert packages
    assert [] == [line for line in packages if "--hash=sha256:" not in line]


def test_no_registry_is_named() -> None:
    """Where packages come from is a matter of the machine, not of the repository."""
    files = sorted(ROOT.glob("requirements*.*"))
    named = [file.name for file in files if re.search(r"https?://|index-url", file.read_text())]

    assert 6 == len(files)
    assert [] == named


def test_the_deployed_file_installs_on_its_python_alone() -> None:
    """Pip takes it on Python 3.13; on any other it stops at once, and says which one is needed."""
    is_deployed_python = sys.version_info[:2] == (3, 13)

    done = pip_install("--require-hashes", "-r", DEPLOYED)

    assert is_deployed_python == (done.returncode == 0), done.stderr
    assert is_deployed_python != ("deployed-on-python-3.13-only" in done.stderr)


@pytest.mark.parametrize(
    ("python", "is_refused"), [("3.11", True), ("3.12", True), ("3.13", False), ("3.14", True)]
)
def test_the_guard_is_for_every_python_but_the_deployed_one(python: str, is_refused: bool) -> None:
    """The line that stops pip counts below 3.13 and above it."""
    assert is_refused == (GUARD in requirements(DEPLOYED, python))
