"""What docs/deploy.md tells a reader to type is there to be typed."""

import base64
import json
import re
from urllib.parse import urlsplit

import pytest

from offer_cancellation.request import CancelRequest, parse
from tests.infra.files import INFRA, ROOT, azd_variables, default, template

GUIDE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
# Braces of one line or two that hold a request, in whatever a shell or a workflow puts around it.
BODIES = re.findall(r'\{[^{}]*"publisherId"(?:[^{}]|\$\{\{[^}]*\}\}|@\{[^}]*\})*\}', GUIDE)


def anchor(heading: str) -> str:
    """The fragment that GitHub makes of a heading."""
    kept = re.sub(r"[^\w\- ]", "", heading.lower())
    return kept.strip().replace(" ", "-")


@pytest.mark.parametrize("body", BODIES)
def test_every_request_of_the_guide_is_valid(body: str) -> None:
    """Each example, its placeholders filled in, is a request that the app accepts."""
    filled = re.sub(r"'\$\(date[^)]*\)'", "2100-01-31T12:00:00Z", body)
    filled = re.sub(r"'\$check'|\$\(Build\.BuildId\)|\$\{\{[^}]*\}\}|@\{[^}]*\}", "1", filled)
    encoded = base64.b64encode(filled.encode()).decode()
    assert [CancelRequest, CancelRequest] == [type(parse(one, "id")) for one in (filled, encoded)]


def test_the_guide_has_an_example_for_every_kind_of_producer() -> None:
    """CLI twice, Event Grid, Logic Apps, Azure DevOps, GitHub Actions: six requests."""
    assert 6 == len(BODIES)


def test_the_event_of_the_guide_is_read_as_a_request() -> None:
    """The CloudEvent, as Event Grid delivers it, gives a request with a derived id."""
    text = next(block for block in blocks("json") if "specversion" in block)
    request = parse(text, "id")
    assert isinstance(request, CancelRequest)
    assert request.request_id is not None
    assert request.request_id.startswith("ce-")
    assert "Contoso.CancelRequested" == json.loads(text)["type"]


def test_every_value_that_is_read_is_put_out_or_set() -> None:
    """What the commands take from azd's environment is an output of the template."""
    read = set(re.findall(r"azd env get-value (\w+)|\"?\$\{?([A-Z][A-Z_]+)\b", GUIDE))
    names = {name for pair in read for name in pair if name}
    assert names
    assert set() == names - set(template("main")["outputs"])


def test_every_choice_exists_and_every_one_is_told() -> None:
    """The variables of the table are those that main.parameters.json reads."""
    rows = re.findall(r"(?m)^\| (`[A-Z_`, ]+`) \|", GUIDE)
    told = {name for row in rows for name in re.findall(r"[A-Z_]{5,}", row)}
    assert told == set(azd_variables()) - {"AZURE_ENV_NAME", "AZURE_LOCATION"}
    assert set() == set(re.findall(r"azd env set ([A-Z_]+) [^V]", GUIDE)) - told


def test_the_defaults_that_the_guide_names_are_the_templates() -> None:
    """Instances, memory and replication are what a deployment gets without a choice."""
    for name in ("storageSku", "maximumInstanceCount", "instanceMemoryMB"):
        assert f"| `{default(name)}` |" in GUIDE


def test_the_names_of_the_functions_are_right() -> None:
    """The setting that disables a function names one that exists."""
    assert {"cancel_trigger"} == set(re.findall(r"AzureWebJobs\.(\w+)\.Disabled", GUIDE))
    assert (ROOT / "cancel_trigger" / "__init__.py").exists()
    assert (ROOT / "poll_timer" / "__init__.py").exists()


def test_every_link_within_the_repository_leads_somewhere() -> None:
    """Files exist, and so do the headings that are linked to."""
    broken = []
    for target in re.findall(r"\]\(([^)]+)\)", GUIDE):
        link = urlsplit(target)
        if link.scheme:
            continue
        file = (ROOT / "docs" / link.path).resolve() if link.path else ROOT / "docs" / "deploy.md"
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        headings = {anchor(one) for one in re.findall(r"(?m)^#+ (.*)$", text)}
        if not text or (link.fragment and link.fragment not in headings):
            broken.append(target)
    assert [] == broken


def test_the_guide_names_no_file_that_is_not_there() -> None:
    """Paths in backticks exist."""
    named = set(re.findall(r"`((?:infra|docs|\.github)/[\w./-]*)`", GUIDE))
    assert {INFRA.name + "/"} <= named
    assert [] == [path for path in named if not (ROOT / path).exists()]


def blocks(language: str) -> list[str]:
    """The code blocks in a language."""
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, flags=re.DOTALL)
