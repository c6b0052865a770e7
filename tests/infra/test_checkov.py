"""The rules of checkov hold, offline; each exception says why, in place."""

import json
import os
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from tests.infra.files import INFRA, TEMPLATES, program

# checkov ends with 0 when it could not parse: only its report says so.
SKIP = re.compile(r"//\s*checkov:skip=(\w+)(?::\s*(\S.*))?")

WEAKER = {
    "supportsHttpsTrafficOnly: true": "supportsHttpsTrafficOnly: false",
    "publicAccess: 'None'": "publicAccess: 'Blob'",
    "minimumTlsVersion: 'TLS1_2'": "minimumTlsVersion: 'TLS1_0'",
}


@cache
def report(folder: Path) -> dict[str, Any]:
    """What checkov says of the templates in a folder; nothing is fetched or sent."""
    command = [program("checkov"), "--directory", str(folder), "--framework", "bicep"]
    quiet = {"BC_SKIP_MAPPING": "TRUE", "CHECKOV_RUN_SCA_PACKAGE_SCAN_V2": "false"}
    nowhere = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    done = subprocess.run(  # noqa: S603 - our own arguments
        [*command, "--skip-download", "--compact", "--output", "json"],
        env={**os.environ, **quiet, **nowhere},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("{"), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_every_template_is_understood() -> None:
    """No file is left out of the check because it could not be parsed."""
    assert 0 == report(INFRA)["summary"]["parsing_errors"]


def test_no_rule_is_broken() -> None:
    """Every rule is kept, or its exception stands in the template."""
    failed = [f"{one['check_id']} {one['resource']}" for one in _checks("failed_checks")]
    assert [] == failed


def test_the_rules_were_applied() -> None:
    """The account, the container, the topic, the plan and the site were all looked at."""
    seen = {one["resource"] for kind in ("passed", "skipped") for one in _checks(f"{kind}_checks")}
    assert {
        "Microsoft.Storage/storageAccounts.account",
        "Microsoft.Storage/storageAccounts/blobServices/containers.packages",
        "Microsoft.EventGrid/topics.topic",
        "Microsoft.Web/serverfarms.plan",
        "Microsoft.Web/sites.app",
        "Microsoft.Web/sites/config.appSettings",
    } == seen


def test_every_exception_says_why() -> None:
    """An exception without a reason, or one that no rule asks for, is not left standing."""
    written = [
        (path.name, rule, why)
        for path in TEMPLATES
        for rule, why in SKIP.findall(path.read_text(encoding="utf-8"))
    ]
    assert [] == [one for one in written if len(one[2]) < len("a real reason")]
    used = [(Path(one["file_path"]).name, one["check_id"]) for one in _checks("skipped_checks")]
    assert sorted((name, rule) for name, rule, _ in written) == sorted(used)


def test_what_is_wrong_is_noticed(tmp_path: Path) -> None:
    """A broken file shows in the report, and so does a storage account that lets down its guard."""
    text = (INFRA / "app" / "storage.bicep").read_text(encoding="utf-8")
    for kept, broken in WEAKER.items():
        text = text.replace(kept, broken)
    (tmp_path / "storage.bicep").write_text(text, encoding="utf-8")
    (tmp_path / "broken.bicep").write_text("resource account 'x' = {{\n", encoding="utf-8")

    found = report(tmp_path)

    assert 1 == found["summary"]["parsing_errors"]
    failed = [one["check_id"] for one in found["results"]["failed_checks"]]
    assert ["CKV_AZURE_3", "CKV_AZURE_34", "CKV_AZURE_44"] == sorted(failed)


def _checks(kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = report(INFRA)["results"][kind]
    return found
