"""The templates fit together: what a compiler would say, as far as it can be said without one."""

import json
import re
from typing import Any

from tests.infra.files import INFRA, MODULES, ROOT, azd_variables, code, parsed, template


def test_every_template_parses_and_declares_something() -> None:
    """Each Bicep file is read by an independent parser, and none of them is empty."""
    hollow = [
        name
        for name, file in parsed().items()
        if name.endswith(".bicep") and not (file.get("resources") or file.get("modules"))
    ]
    assert [] == hollow


def test_every_module_file_is_deployed() -> None:
    """Each file in infra/app is a module of main.bicep."""
    used = {f"{_stem(module)}.bicep" for module in _modules().values()}
    assert used == {path.name for path in MODULES}


def test_every_module_is_given_exactly_what_it_asks_for() -> None:
    """A module gets each parameter that has no default, and none that it does not have."""
    for name, module in _modules().items():
        asked = template(_stem(module))["parameters"]
        needed = {one for one, parameter in asked.items() if parameter.get("default") is None}
        given = set(_params(module))
        assert (set(), set()) == (needed - given, given - set(asked)), name


def test_every_output_that_is_read_exists() -> None:
    """What main.bicep reads of a module is among the module's outputs."""
    modules = _modules()
    read = re.findall(r"(\w+)\.outputs\.(\w+)", code(INFRA / "main.bicep"))
    assert [] == [
        f"{module}.{output}"
        for module, output in read
        if output not in template(_stem(modules[module]))["outputs"]
    ]


def test_the_parameters_file_names_only_parameters() -> None:
    """Each entry of main.parameters.json is a parameter of main.bicep, and all are there."""
    given = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
    assert sorted(template("main")["parameters"]) == sorted(given)


def test_the_parameters_file_repeats_the_defaults() -> None:
    """A default in main.parameters.json is the one of main.bicep."""
    given = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
    for name, parameter in template("main")["parameters"].items():
        value = given[name]["value"]
        if name not in ("environmentName", "location"):
            is_variable = str(value).startswith("${")
            repeated = "".join(re.findall(r"=(.*)}", value)) if is_variable else value
            assert (name, str(parameter["default"])) == (name, str(repeated))


def test_azd_fills_in_the_environment_and_the_region() -> None:
    """Both parameters without a default come from variables that azd always sets."""
    assert {"AZURE_ENV_NAME", "AZURE_LOCATION"} <= set(azd_variables())


def test_every_abbreviation_exists_and_is_used() -> None:
    """The names' prefixes that main.bicep reads are those of abbreviations.json."""
    listed = json.loads((INFRA / "abbreviations.json").read_text())
    used = re.findall(r"abbreviations\.(?!json)(\w+)", code(INFRA / "main.bicep"))
    assert sorted(listed) == sorted(set(used))


def test_azd_finds_its_service() -> None:
    """The service of azure.yaml is the app's tag, and its folder holds the function app."""
    services = parsed()["azure.yaml"]["services"]
    tag = template("function")["resources"]["app"]["config"]["tags"]
    assert "app" == next(iter(tag["function"]["parameters"]["arg_2"].values()))
    assert {"app": {"project": ".", "language": "python", "host": "function"}} == services
    assert (ROOT / services["app"]["project"] / "function_app.py").exists()


def test_everything_carries_the_name_of_its_environment() -> None:
    """The resource group and all that takes tags carry `azd-env-name`."""
    tags = template("main")["variables"]["tags"]["value"]
    assert {"'azd-env-name'": "environmentName"} == tags
    untagged = [
        f"{path.stem}.{name}"
        for path in MODULES
        for name, one in template(path.stem)["resources"].items()
        if "location" in _body(one) and "tags" not in _body(one)
    ]
    assert [] == untagged


def _modules() -> dict[str, Any]:
    found: dict[str, Any] = template("main")["modules"]
    return found


def _stem(module: dict[str, Any]) -> str:
    path: str = module["detail"]["path"]
    return path.removeprefix("app/").removesuffix(".bicep")


def _params(module: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = _body(module)["params"]
    return found


def _body(declared: dict[str, Any]) -> dict[str, Any]:
    """What is declared, behind a condition or a loop too."""
    body: dict[str, Any] = declared["config"]
    inner: dict[str, Any] = body.get("config", body)
    return inner
