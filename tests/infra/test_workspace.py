"""What maintainers rely on: one version, editor tasks that exist, and checks before a commit."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.infra.files import ROOT, parsed

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def document(path: str) -> dict[str, Any]:
    """A JSON file of the repository."""
    found: dict[str, Any] = json.loads((ROOT / path).read_text(encoding="utf-8"))
    return found


def test_the_version_is_one() -> None:
    """Project, template and the changelog's latest release name the same version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"(?m)^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$", changelog)

    assert (
        f"offer-cancellation@{project['version']}" == parsed()["azure.yaml"]["metadata"]["template"]
    )
    assert project["version"] == released[0]


def test_f5_starts_the_stack_and_the_real_host() -> None:
    """The first configuration attaches to `func host start`, which waits for `make stack`."""
    first = document(".vscode/launch.json")["configurations"][0]
    tasks = {task["label"]: task for task in document(".vscode/tasks.json")["tasks"]}
    host = tasks[first["preLaunchTask"]]
    stack = tasks[host["dependsOn"]]

    assert ("attach", "func", "host start") == (first["request"], host["type"], host["command"])
    ready = stack["problemMatcher"]["background"]["endsPattern"].removeprefix("^")
    assert ready in (ROOT / "local" / "run.py").read_text(encoding="utf-8")


def test_every_make_target_of_the_editor_exists() -> None:
    """No task, and no container, calls a target that the Makefile does not have."""
    targets = set(re.findall(r"(?m)^([a-z0-9-]+):", MAKEFILE))
    called = {
        target
        for path in (".vscode/tasks.json", ".devcontainer/devcontainer.json")
        for target in re.findall(r"make ([a-z0-9-]+)", (ROOT / path).read_text(encoding="utf-8"))
    }

    assert {"stack", "install", "run", "check"} == called
    assert called - targets == set()


def test_the_container_has_the_python_that_is_deployed() -> None:
    """The development container, the deploying workflow and the function app agree on it."""
    image = document(".devcontainer/devcontainer.json")["image"]
    deploying = parsed()[".github/workflows/deploy.yml"]["jobs"]
    pythons = [
        step["with"]["python-version"]
        for job in deploying.values()
        for step in job["steps"]
        if step.get("uses", "").startswith("actions/setup-python@")
    ]

    assert "3.13" == image.rpartition(":")[2]
    assert ["3.13", "3.13"] == pythons


def test_the_editor_knows_the_same_extensions_everywhere() -> None:
    """What is recommended on a desk is installed in the container."""
    container = document(".devcontainer/devcontainer.json")["customizations"]["vscode"]

    assert document(".vscode/extensions.json")["recommendations"] == container["extensions"]


BAD = {
    "lint": ("bad.py", '"""A module."""\n\nimport os\n'),
    "format": ("bad.py", '"""A module."""\n\nx = {  "a":1 }\n'),
    "spelling": ("bad.md", "It is teh end.\n"),  # codespell:ignore teh
    "no blanks at the end of a line": ("bad.md", "It is so. \nIt ends.\n"),
    "one line end at the end of a file": ("bad.md", "It ends\n\n\n"),
    "one kind of line end": ("bad.md", "It is so.\r\nIt ends.\n"),
    "JSON can be read": ("bad.json", "{\n"),
    "TOML can be read": ("bad.toml", "a =\n"),
    "YAML can be read": ("bad.yml", "a: [\n"),
    "no merge markers": ("bad.md", "<<<<<<< HEAD\n"),
    "no file over 500 kB": ("bad.txt", "0" * 501 * 1024 + "\n"),
    "no private key": ("bad.md", "-----BEGIN RSA " + "PRIVATE KEY-----\n"),
}


@pytest.mark.parametrize("hook", BAD)
def test_each_check_before_a_commit_refuses_what_it_is_for(hook: str, tmp_path: Path) -> None:
    """With what .venv holds, and nothing else, each hook sees its kind of fault."""
    name, text = BAD[hook]
    (tmp_path / name).write_bytes(text.encode())
    (tmp_path / ".venv").symlink_to(sys.prefix)
    for file in (".pre-commit-config.yaml", "pyproject.toml"):
        (tmp_path / file).write_bytes((ROOT / file).read_bytes())

    _run(tmp_path, "git", "init", "--quiet")
    _run(tmp_path, "git", "add", name, ".pre-commit-config.yaml", "pyproject.toml")
    done = _run(tmp_path, ".venv/bin/pre-commit", "run", "--color=never")

    assert re.search(rf"(?m)^{re.escape(hook)}\.+Failed$", done.stdout), done.stdout + done.stderr


def test_every_check_before_a_commit_is_tried() -> None:
    """No hook is without its bad file."""
    config = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")

    assert list(BAD) == re.findall(r"(?m)^        name: (.*)$", config)


def _run(directory: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PRE_COMMIT_HOME": str(directory / ".cache")}

    return subprocess.run(  # noqa: S603 - our own commands
        command, cwd=directory, env=environment, capture_output=True, text=True, check=False
    )
