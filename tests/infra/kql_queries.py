"""The log queries of alerts, workbook and documents, and what Microsoft's parser says of them."""

import json
import re
import subprocess
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.infra.files import INFRA, ROOT, template
from tests.infra.kql_schema import TABLES

PARSER = ROOT / "node_modules" / "@kusto" / "language-service-next"
# What a workbook puts into a query: for a time range its grain, for a text the text.
GRAIN, TEXT = "30m", "some-id"


@dataclass(frozen=True)
class Reading:
    """A resolved query: what is wrong with it, and the names that stand in it."""

    diagnostics: list[str]
    tables: list[str]
    dimensions: list[str]
    columns: list[str]
    literals: list[str]
    comparisons: list[tuple[str, list[str]]]

    def compared(self, *columns: str) -> set[str]:
        """The texts that one of these columns is compared with."""
        return {
            value
            for left, values in self.comparisons
            if left.removeprefix("tostring(customDimensions.").removesuffix(")") in columns
            for value in values
        }


def rules() -> list[dict[str, Any]]:
    """The alert rules, as written in the template."""
    found: list[dict[str, Any]] = template("alerts")["variables"]["rules"]["value"]
    return found


@cache
def workbook() -> dict[str, Any]:
    """The workbook."""
    text = (INFRA / "app" / "workbook.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def items(found: list[dict[str, Any]] | None = None) -> Iterator[dict[str, Any]]:
    """Every item of the workbook, those in groups too."""
    for item in workbook()["items"] if found is None else found:
        yield item
        yield from items(item["content"].get("items", []))


def filled(query: str) -> str:
    """A query of the workbook, as it is when its parameters have values."""
    return re.sub(r"\{\w+\}", TEXT, query.replace("{TimeRange:grain}", GRAIN))


@cache
def deployed() -> dict[str, str]:
    """Every query that is deployed, by the name of its rule or item."""
    of_items = {one["name"]: filled(one["content"]["query"]) for one in items() if one["type"] == 3}
    return {rule["name"]: rule["query"] for rule in rules()} | of_items


@cache
def queries() -> dict[str, str]:
    """Every query that is deployed, and every one that the documents tell to type."""
    block = re.compile(r"(?ms)^ *```kusto\n(.*?)^ *```")
    told = {
        f"{path.name}:{text.count(chr(10), 0, found.start()) + 1}": textwrap.dedent(found[1])
        for path in sorted((ROOT / "docs").glob("*.md"))
        for text in [path.read_text(encoding="utf-8")]
        for found in block.finditer(text)
    }
    return deployed() | told


def resolve(texts: dict[str, str]) -> dict[str, Reading]:
    """Resolves queries against the tables of Application Insights."""
    assert PARSER.exists(), f"{PARSER} is missing: `make install` makes it"
    done = subprocess.run(  # noqa: S603 - our own script
        ["node", str(Path(__file__).with_name("kql_reader.cjs"))],  # noqa: S607 - from the PATH
        input=json.dumps({"tables": TABLES, "queries": texts}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    answers = json.loads(done.stdout)
    for one in answers.values():
        one["comparisons"] = [(left, values) for left, values in one["comparisons"]]
    return {key: Reading(**one) for key, one in answers.items()}


@cache
def readings() -> dict[str, Reading]:
    """What the parser says of every query."""
    return resolve(queries())
