"""Prints, as JSON, what Bicep and YAML files hold. Runs in `.venv-infra`, which has the parsers.

Its arguments are the files; a file that cannot be parsed ends it with an error that names it.
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from pycep import BicepParser  # type: ignore[import-not-found]


def read(path: Path) -> Any:
    """What one file holds."""
    if path.suffix == ".bicep":
        return BicepParser().parse(text=path.read_text(encoding="utf-8"))
    return yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)  # noqa: S506 - builds texts only


def main(arguments: list[str]) -> None:
    """Reads every file, then prints."""
    found = {}
    for argument in arguments:
        try:
            found[argument] = read(Path(argument))
        except Exception as error:
            sys.exit(f"{argument} cannot be parsed: {error}")
    print(json.dumps(found, default=str))  # noqa: T201 - its output


if __name__ == "__main__":
    main(sys.argv[1:])
