"""The workflows run what a developer runs, and deploy by hand, without a secret."""

import re
from typing import Any

from tests.infra.files import ROOT, YAML, azd_variables, parsed

CI, DEPLOY = ".github/workflows/ci.yml", ".github/workflows/deploy.yml"


def steps(workflow: str, job: str) -> list[dict[str, Any]]:
    """The steps of a job."""
    found: list[dict[str, Any]] = parsed()[workflow]["jobs"][job]["steps"]
    return found


def commands(workflow: str, job: str) -> list[str]:
    """What the steps of a job run."""
    return [step["run"].strip() for step in steps(workflow, job) if "run" in step]


def test_ci_runs_what_a_developer_runs() -> None:
    """`make check` and `make test`, on the oldest Python and on the deployed one."""
    assert ["make check PYTHON=python", "make test PYTHON=python"] == commands(CI, "test")
    matrix = parsed()[CI]["jobs"]["test"]["strategy"]["matrix"]
    assert {"python": ["3.11", "3.13"]} == matrix


def test_every_make_target_exists() -> None:
    """No workflow calls a target that the Makefile does not have."""
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8")))
    called = {
        target
        for workflow, job in ((CI, "test"), (DEPLOY, "test"), (DEPLOY, "deploy"))
        for command in commands(workflow, job)
        for target in re.findall(r"\bmake ([a-z-]+)", command)
    }
    assert (called, called - targets) == ({"check", "test"}, set())


def test_nothing_deploys_by_itself() -> None:
    """The deployment starts by hand alone, and after the tests."""
    assert ["workflow_dispatch"] == list(parsed()[DEPLOY]["on"])
    assert "test" == parsed()[DEPLOY]["jobs"]["deploy"]["needs"]


def test_the_deployment_signs_in_without_a_secret() -> None:
    """A federated credential is traded for a token; no workflow reads a secret."""
    assert {"contents": "read", "id-token": "write"} == parsed()[DEPLOY]["jobs"]["deploy"][
        "permissions"
    ]
    assert any(
        "--federated-credential-provider github" in one for one in commands(DEPLOY, "deploy")
    )
    told = [path.name for path in YAML if "secrets." in path.read_text(encoding="utf-8")]
    assert [] == told


def test_workflows_may_only_read_unless_they_say_so() -> None:
    """The token of each workflow reads the repository and nothing else."""
    assert [{"contents": "read"}] * 2 == [parsed()[one]["permissions"] for one in (CI, DEPLOY)]


def test_every_action_is_pinned_to_a_major_version() -> None:
    """No action follows a branch."""
    used = [
        step["uses"]
        for workflow, job in ((CI, "test"), (DEPLOY, "test"), (DEPLOY, "deploy"))
        for step in steps(workflow, job)
        if "uses" in step
    ]
    assert used
    assert [] == [one for one in used if not re.fullmatch(r"[\w-]+/[\w-]+@v\d+", one)]


def test_the_deployment_passes_every_variable_of_the_template() -> None:
    """A variable that the template reads is not lost when a workflow deploys."""
    given = set(parsed()[DEPLOY]["jobs"]["deploy"]["env"])
    assert set() == set(azd_variables()) - given
