"""The app settings of the template are those that the code and the platform read."""

import re

from offer_cancellation.settings import Settings, load
from tests.infra.files import INFRA, ROOT, code, decorator, default, resource, settings, texts

# What the platform documents: the host's storage, and OpenTelemetry's way to Application Insights.
PLATFORM = {
    "AzureWebJobsStorage__blobServiceUri",
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__clientId",
    "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
}
NOT_ON_FLEX = (
    "FUNCTIONS_WORKER_RUNTIME",
    "FUNCTIONS_EXTENSION_VERSION",
    "WEBSITE_RUN_FROM_PACKAGE",
    "SCM_DO_BUILD_DURING_DEPLOYMENT",
)
OWN = {str(field.alias) for field in Settings.model_fields.values()}
CLIENT_ID = "6f1d3c1e-0b53-4f5e-9a36-0d5c7a2b9e11"


def as_deployed() -> dict[str, str]:
    """The app's own settings with the values that a deployment would give them."""
    values = {
        "cancelQueue": str(default("cancelQueue")),
        "outcomeQueue": str(default("outcomeQueue")),
        "ledgerTable": str(default("ledgerTable")),
        "identityClientId": CLIENT_ID,
    }
    given = {}
    for name in OWN & set(settings()):
        value = settings()[name]
        if isinstance(value, str):
            given[name] = values.get(value, value)
        else:
            service = list(texts(value))[-1]
            given[name] = f"https://account.{service}.core.windows.net/"
    return given


def test_every_setting_is_one_that_somebody_reads() -> None:
    """The template sets nothing that neither the app nor the platform knows."""
    assert set() == set(settings()) - OWN - PLATFORM


def test_the_app_starts_with_the_settings_of_the_template() -> None:
    """What is required is set, and every value is one that the app allows."""
    loaded = load(as_deployed())
    assert "https://account.queue.core.windows.net/" == loaded.storage_queue_url
    assert "https://account.table.core.windows.net/" == loaded.storage_table_url


def test_every_identity_is_the_one_of_the_app() -> None:
    """Host storage, the app's storage and the API are reached as the same identity."""
    loaded = load(as_deployed())
    assert (CLIENT_ID, CLIENT_ID) == (loaded.storage_client_id, loaded.api_client_id)
    host = [settings()[f"AzureWebJobsStorage__{part}"] for part in ("credential", "clientId")]
    assert ["managedidentity", "identityClientId"] == host


def test_telemetry_is_sent_as_the_same_identity() -> None:
    """Application Insights takes no keys: the exporter is told whom to be."""
    assert (
        "ClientId=${identityClientId};Authorization=AAD"
        == settings()["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"]
    )
    assert "true" == settings()["PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY"]


def test_no_identity_is_chosen_behind_the_clients_backs() -> None:
    """AZURE_CLIENT_ID would decide for every client that names none."""
    assert "AZURE_CLIENT_ID" not in settings()


def test_nothing_is_set_that_flex_consumption_has_elsewhere() -> None:
    """Settings of other plans are refused, or fight with functionAppConfig."""
    named = [name for name in NOT_ON_FLEX if name in code(INFRA / "app" / "function.bicep")]
    assert [] == named


def test_no_setting_is_a_secret() -> None:
    """No key, signature or listKeys call stands anywhere in the templates."""
    secrets = re.compile(r"AccountKey=|SharedAccessSignature|listKeys|listAccountSas|@secure")
    found = [path.name for path in INFRA.rglob("*.bicep") if secrets.search(code(path))]
    assert [] == found


def test_further_settings_cannot_replace_those_of_the_template() -> None:
    """`extraSettings` comes first in the union, so what the app needs wins."""
    properties = resource("function", "appSettings")["properties"]["function"]
    assert ("union", ["extraSettings", "settings"]) == (
        properties["type"],
        list(properties["parameters"].values()),
    )


def test_names_of_queues_and_table_are_the_apps_defaults() -> None:
    """Who deploys without a thought gets the names that the documentation speaks of."""
    named = [default(name) for name in ("cancelQueue", "outcomeQueue", "ledgerTable")]
    fields = Settings.model_fields
    names = ("cancel_queue", "outcome_queue", "ledger_table")
    assert named == [fields[name].default for name in names]


def test_names_have_the_lengths_that_the_app_allows() -> None:
    """A name that the app would refuse at start is refused before anything is deployed."""
    lengths = [
        (decorator(name, "min_length"), decorator(name, "max_length"))
        for name in ("cancelQueue", "outcomeQueue", "ledgerTable")
    ]
    assert [(3, 54), (3, 63), (3, 63)] == lengths


def test_readme_and_template_agree_on_names() -> None:
    """The settings that the template sets for the app are in the README's table."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [] == [name for name in OWN & set(settings()) if name not in readme]
