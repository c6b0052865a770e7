"""What the deployment files hold, parsed once. The parsers have an environment of their own."""

import functools
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
PROGRAMS = ROOT / ".venv-infra" / "bin"
MISSING = f"{PROGRAMS} is missing: `make install` makes it"

TEMPLATES = sorted(INFRA.rglob("*.bicep"))
MODULES = [path for path in TEMPLATES if path.parent.name == "app"]
YAML = [ROOT / "azure.yaml", *sorted((ROOT / ".github" / "workflows").glob("*.yml"))]


def program(name: str) -> str:
    """The path of a program in `.venv-infra`. Raises AssertionError where it is missing."""
    path = PROGRAMS / name
    assert path.exists(), MISSING
    return str(path)


@functools.cache
def parsed() -> dict[str, Any]:
    """Every Bicep and YAML file, by its path from the root."""
    files = [str(path.relative_to(ROOT)) for path in [*TEMPLATES, *YAML]]
    command = [program("python"), str(Path(__file__).with_name("reader.py")), *files]
    done = subprocess.run(  # noqa: S603 - our own script
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert 0 == done.returncode, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def template(name: str) -> dict[str, Any]:
    """One parsed Bicep file: `main`, or the name of a file in `app/`."""
    place = "infra" if name == "main" else "infra/app"
    found: dict[str, Any] = parsed()[f"{place}/{name}.bicep"]
    return found


def resource(file: str, name: str) -> dict[str, Any]:
    """The body of a resource by its symbolic name."""
    body: dict[str, Any] = template(file)["resources"][name]["config"]
    return body


def default(parameter: str) -> object:
    """The default of a parameter of main.bicep."""
    value: object = template("main")["parameters"][parameter]["default"]
    return value


def decorator(parameter: str, kind: str) -> object:
    """The argument of a decorator of a parameter of main.bicep."""
    decorators = template("main")["parameters"][parameter]["decorators"]
    return next(one["argument"] for one in decorators if one["type"] == kind)


def settings() -> dict[str, Any]:
    """The app settings that the template sets."""
    found: dict[str, Any] = template("function")["variables"]["settings"]["value"]
    return found


def texts(value: object) -> Iterator[str]:
    """Every text in a parsed value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from texts(part)


@functools.cache
def azd_variables() -> dict[str, str]:
    """The environment variables that main.parameters.json reads, with their defaults."""
    text = (INFRA / "main.parameters.json").read_text(encoding="utf-8")
    return {name: value for name, _, value in re.findall(r"\$\{(\w+)(=([^}]*))?\}", text)}


def code(path: Path) -> str:
    """A Bicep file without its comments."""
    return re.sub(r"(?m)(^|\s)//.*$", "", path.read_text(encoding="utf-8"))
