"""The settings: names, defaults, and what a wrong one says."""

import base64
from typing import Any

import pytest

from offer_cancellation import settings
from offer_cancellation.errors import SettingsError
from offer_cancellation.settings import load
from tests.unit.samples import GUID

STORAGE = {"CANCEL_STORAGE": "UseDevelopmentStorage=true"}
IDENTITY = {
    "CANCEL_STORAGE__queueServiceUri": "https://contoso.queue.core.windows.net",
    "CANCEL_STORAGE__tableServiceUri": "https://contoso.table.core.windows.net/",
}

KEY = base64.b64encode(bytes(range(64))).decode()
SAS = "SharedAccessSignature=sv=2030&sig=abc%3D"
QUEUES = "QueueEndpoint=https://contoso.queue.core.windows.net"
TABLES = "TableEndpoint=https://contoso.table.core.windows.net"
ORIGIN = (
    "an https origin (http on loopback only) with a valid host name, without path, query or"
    " user info"
)
SCOPE = "a resource followed by /.default"
CLIENT_ID = "the client id (GUID) of a user-assigned identity"
SERVICE = "the https URL of that service with a valid host name, without user info and query"
QUEUE = "3 to 54 lower-case letters, digits and single hyphens"
OUTCOMES = QUEUE.replace("54", "63")
OTHER_QUEUE = f"{OUTCOMES}, and not CANCEL_QUEUE, nor that with -poison or -rejected"
TABLE = "3 to 63 letters and digits, the first a letter, and not the reserved name tables"
SCHEDULE = "an NCRONTAB expression of six fields, seconds first"
FIRST = "0 to 3600 seconds"
MOST = "0 to 3600 seconds, no less than BACKOFF_FIRST_SECONDS"


def _no_connection_string(why: str) -> str:
    return (
        f"- CANCEL_STORAGE is not a valid connection string ({why}; value hidden): allowed is"
        " 'UseDevelopmentStorage=true' or 'AccountName=…;AccountKey=…;…'"
    )


NO_CLIENT = _no_connection_string("no queue client can be built from it")
HOURS = "1 to 144 hours"


def _faults(environment: dict[str, str]) -> list[str]:
    """What is wrong, a line each."""
    with pytest.raises(SettingsError) as caught:
        load(environment)
    head, *faults = str(caught.value).splitlines()
    assert "wrong settings:" == head
    return faults


def test_defaults() -> None:
    """Every setting but CANCEL_STORAGE has its documented default."""
    expected = {
        "PARTNER_API_URL": "https://cloudpartner.azure.com",
        "PARTNER_API_SCOPE": "https://cloudpartner.azure.com/.default",
        "PARTNER_API_VERSION": "2017-10-31",
        "PARTNER_API_IF_MATCH": None,
        "PARTNER_API_TIMEOUT_SECONDS": 100,
        "PARTNER_API_CLIENT_ID": None,
        "CANCEL_STORAGE": "UseDevelopmentStorage=true",
        "CANCEL_STORAGE__queueServiceUri": None,
        "CANCEL_STORAGE__tableServiceUri": None,
        "CANCEL_STORAGE__credential": "managedidentity",
        "CANCEL_STORAGE__clientId": None,
        "CANCEL_QUEUE": "cancel-requests",
        "OUTCOME_QUEUE": "cancel-outcomes",
        "LEDGER_TABLE": "cancellations",
        "POLL_SCHEDULE": "*/30 * * * * *",
        "POLL_CONCURRENCY": 32,
        "POLL_GRACE_SECONDS": 600,
        "BACKOFF_FIRST_SECONDS": 15,
        "BACKOFF_MAX_SECONDS": 300,
        "CANCEL_DEADLINE_HOURS": 24,
        "WEBSITE_SITE_NAME": "local",
    }
    assert expected == load(STORAGE).model_dump(by_alias=True)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("PARTNER_API_URL", "https://api.contoso.com:8443/", "https://api.contoso.com:8443"),
        ("PARTNER_API_URL", "http://localhost:7071", "http://localhost:7071"),
        ("PARTNER_API_URL", "http://127.0.0.1:7071", "http://127.0.0.1:7071"),
        ("PARTNER_API_URL", "http://[::1]:7071", "http://[::1]:7071"),
        ("PARTNER_API_SCOPE", "api://contoso/.default", "api://contoso/.default"),
        ("PARTNER_API_VERSION", "2016-08-01-preview", "2016-08-01-preview"),
        ("PARTNER_API_IF_MATCH", "*", "*"),
        ("PARTNER_API_IF_MATCH", 'W/"3"', 'W/"3"'),
        ("PARTNER_API_TIMEOUT_SECONDS", "1", 1),
        ("PARTNER_API_TIMEOUT_SECONDS", "120", 120),
        ("PARTNER_API_CLIENT_ID", GUID, GUID),
        ("CANCEL_STORAGE", f"AccountName=a;AccountKey={KEY}", f"AccountName=a;AccountKey={KEY}"),
        ("CANCEL_STORAGE", f"{QUEUES};{TABLES};{SAS}", f"{QUEUES};{TABLES};{SAS}"),
        ("PARTNER_API_URL", "https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("PARTNER_API_URL", "https://10.0.0.4", "https://10.0.0.4"),
        ("POLL_SCHEDULE", "0 0 0 29 2 *", "0 0 0 29 2 *"),
        ("CANCEL_STORAGE__credential", "managedIdentity", "managedIdentity"),
        ("CANCEL_STORAGE__clientId", GUID, GUID),
        ("CANCEL_QUEUE", "a-1", "a-1"),
        ("CANCEL_QUEUE", "a" * 54, "a" * 54),
        ("OUTCOME_QUEUE", "results", "results"),
        ("LEDGER_TABLE", "Abc", "Abc"),
        ("LEDGER_TABLE", "a" * 63, "a" * 63),
        ("POLL_SCHEDULE", "0 */5 9-17 * Jan,3-12 Mon-Fri", "0 */5 9-17 * Jan,3-12 Mon-Fri"),
        ("POLL_CONCURRENCY", "256", 256),
        ("POLL_GRACE_SECONDS", "0", 0),
        ("BACKOFF_FIRST_SECONDS", "0.5", 0.5),
        ("BACKOFF_MAX_SECONDS", "3600", 3600),
        ("CANCEL_DEADLINE_HOURS", "1", 1),
        ("CANCEL_DEADLINE_HOURS", "144", 144),
        ("WEBSITE_SITE_NAME", "contoso-cancel", "contoso-cancel"),
        ("PARTNER_API_URL", "", "https://cloudpartner.azure.com"),
        ("POLL_CONCURRENCY", " 8 ", 8),
        ("POLL_CONCURRENCY", "  ", 32),
    ],
)
def test_allowed(name: str, text: str, expected: Any) -> None:
    """Each setting takes what its row of the table allows; an empty one counts as absent."""
    assert expected == load({**STORAGE, name: text}).model_dump(by_alias=True)[name]


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        ("PARTNER_API_URL", "http://cloudpartner.azure.com", ORIGIN),
        ("PARTNER_API_URL", "http://localhost.contoso.com", ORIGIN),
        ("PARTNER_API_URL", "ftp://localhost", ORIGIN),
        ("PARTNER_API_URL", "cloudpartner.azure.com", ORIGIN),
        ("PARTNER_API_URL", "https://", ORIGIN),
        ("PARTNER_API_URL", "https://contoso.com/api", ORIGIN),
        ("PARTNER_API_URL", "https://contoso.com#api", ORIGIN),
        ("PARTNER_API_URL", "https://contoso.com\\api", ORIGIN),
        ("PARTNER_API_URL", "https://čontoso.com", ORIGIN),
        ("PARTNER_API_URL", "https://contoso.com:port", ORIGIN),
        ("PARTNER_API_URL", "https://[::1", ORIGIN),
        ("PARTNER_API_SCOPE", "https://cloudpartner.azure.com", SCOPE),
        ("PARTNER_API_SCOPE", "a b/.default", SCOPE),
        ("PARTNER_API_VERSION", "2017&x=1", "letters, digits, . and -"),
        ("PARTNER_API_IF_MATCH", "3", "* or an ETag in double quotes"),
        ("PARTNER_API_IF_MATCH", '"a"\n"b"', "* or an ETag in double quotes"),
        ("PARTNER_API_TIMEOUT_SECONDS", "0.9", "1 to 120 seconds"),
        ("PARTNER_API_TIMEOUT_SECONDS", "121", "1 to 120 seconds"),
        ("PARTNER_API_TIMEOUT_SECONDS", "nan", "1 to 120 seconds"),
        ("PARTNER_API_TIMEOUT_SECONDS", "100 s", "1 to 120 seconds"),
        ("PARTNER_API_CLIENT_ID", "contoso", CLIENT_ID),
        ("CANCEL_STORAGE__queueServiceUri", "http://contoso", SERVICE),
        ("CANCEL_STORAGE__tableServiceUri", "https://", SERVICE),
        ("CANCEL_STORAGE__credential", "secret", "managedidentity"),
        ("CANCEL_STORAGE__clientId", "contoso", CLIENT_ID),
        ("CANCEL_QUEUE", "ab", QUEUE),
        ("CANCEL_QUEUE", "a" * 55, QUEUE),
        ("CANCEL_QUEUE", "Cancel", QUEUE),
        ("CANCEL_QUEUE", "a--b", QUEUE),
        ("CANCEL_QUEUE", "ab-", QUEUE),
        ("OUTCOME_QUEUE", "-ab", OTHER_QUEUE),
        ("OUTCOME_QUEUE", "cancel-requests", OTHER_QUEUE),
        ("OUTCOME_QUEUE", "cancel-requests-poison", OTHER_QUEUE),
        ("OUTCOME_QUEUE", "cancel-requests-rejected", OTHER_QUEUE),
        ("LEDGER_TABLE", "Tables", TABLE),
        ("POLL_SCHEDULE", "0 0 0 31 2 *", SCHEDULE),
        ("POLL_SCHEDULE", "0 0 0 30 2 Mon", SCHEDULE),
        ("CANCEL_STORAGE__queueServiceUri", "https://contoso.table.core.windows.net", SERVICE),
        ("CANCEL_STORAGE__tableServiceUri", "https://contoso.blob.core.windows.net", SERVICE),
        ("LEDGER_TABLE", "1abc", TABLE),
        ("LEDGER_TABLE", "ab", TABLE),
        ("LEDGER_TABLE", "a" * 64, TABLE),
        ("LEDGER_TABLE", "a-b", TABLE),
        ("POLL_SCHEDULE", "*/30 * * * *", SCHEDULE),
        ("POLL_SCHEDULE", "60 * * * * *", SCHEDULE),
        ("POLL_SCHEDULE", "*/0 * * * * *", SCHEDULE),
        ("POLL_SCHEDULE", "0 0 0 * * 7", SCHEDULE),
        ("POLL_SCHEDULE", "0 0 0 L * *", SCHEDULE),
        ("POLL_SCHEDULE", "0 0 0 * January *", SCHEDULE),
        ("POLL_SCHEDULE", "@hourly", SCHEDULE),
        ("POLL_SCHEDULE", "00:00:30", SCHEDULE),
        ("POLL_CONCURRENCY", "0", "1 to 256 polls"),
        ("POLL_CONCURRENCY", "257", "1 to 256 polls"),
        ("POLL_CONCURRENCY", "1.5", "1 to 256 polls"),
        ("POLL_GRACE_SECONDS", "-1", "0 to 86400 seconds"),
        ("POLL_GRACE_SECONDS", "86401", "0 to 86400 seconds"),
        ("BACKOFF_FIRST_SECONDS", "-1", FIRST),
        ("BACKOFF_FIRST_SECONDS", "3601", FIRST),
        ("BACKOFF_MAX_SECONDS", "14", MOST),
        ("BACKOFF_MAX_SECONDS", "3601", MOST),
        ("CANCEL_DEADLINE_HOURS", "0.9", HOURS),
        ("CANCEL_DEADLINE_HOURS", "145", HOURS),
        ("CANCEL_DEADLINE_HOURS", "inf", HOURS),
        ("WEBSITE_SITE_NAME", "a/b", "set by Azure"),
    ],
)
def test_wrong(name: str, text: str, allowed: str) -> None:
    """A wrong setting is named, with its value and what is allowed."""
    assert [f"- {name} is {text!r}: allowed is {allowed}"] == _faults({**STORAGE, name: text})


@pytest.mark.parametrize(
    ("name", "text", "shown", "allowed"),
    [
        ("PARTNER_API_URL", "https://me:p@ss/w@host", "https://***@host", ORIGIN),
        ("PARTNER_API_URL", "https://host?sig=abc", "https://host?***", ORIGIN),
        (
            "CANCEL_STORAGE__queueServiceUri",
            "https://a.queue.core.windows.net/?sv=1&sig=abc",
            "https://a.queue.core.windows.net/?***",
            SERVICE,
        ),
        ("CANCEL_STORAGE__tableServiceUri", "https://me:key@a", "https://***@a", SERVICE),
        (
            "CANCEL_STORAGE__tableServiceUri",
            "AccountName=a;AccountKey=abc==",
            "AccountName=a;AccountKey=***",
            SERVICE,
        ),
        ("CANCEL_QUEUE", KEY, "***", QUEUE),
        ("CANCEL_QUEUE", "sv=2030&sig=abc%2Fdef&se=1", "sv=2030&sig=***&se=1", QUEUE),
        ("POLL_CONCURRENCY", "Bearer abc.def", "Bearer ***", "1 to 256 polls"),
        ("PARTNER_API_CLIENT_ID", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.c2ln", "***", CLIENT_ID),
        ("PARTNER_API_CLIENT_ID", "aB3~" * 10, "***", CLIENT_ID),
        (
            "CANCEL_QUEUE",
            f"AccountName=a;AccountKey={KEY};X=1",
            "AccountName=a;AccountKey=***",
            QUEUE,
        ),
        ("CANCEL_QUEUE", "a-" * 200, "a-" * 99 + "a…", QUEUE),
    ],
)
def test_secrets_are_hidden(name: str, text: str, shown: str, allowed: str) -> None:
    """The value that is shown is never a secret: user info, a SAS, an account key."""
    assert [f"- {name} is {shown!r}: allowed is {allowed}"] == _faults({**STORAGE, name: text})


def test_no_storage() -> None:
    """Without CANCEL_STORAGE in either form, both URLs and the other form are named."""
    rest = "is missing: allowed is an https URL, or CANCEL_STORAGE a connection string"
    expected = [f"- {name} {rest}" for name in IDENTITY]
    assert expected == _faults({})


@pytest.mark.parametrize("missing", IDENTITY)
def test_half_of_storage(missing: str) -> None:
    """With one service URL, the other is missing."""
    environment = {name: url for name, url in IDENTITY.items() if name != missing}
    assert [f"- {missing} is missing: allowed is an https URL"] == _faults(environment)


def test_storage_by_identity() -> None:
    """The two service URLs stand for CANCEL_STORAGE."""
    loaded = load(IDENTITY)
    urls = (loaded.storage_queue_url, loaded.storage_table_url)
    assert (None, tuple(IDENTITY.values())) == (loaded.storage, urls)


def test_no_connection_string() -> None:
    """A CANCEL_STORAGE that is no connection string is named, its value is not shown."""
    assert [NO_CLIENT] == _faults({"CANCEL_STORAGE": "a-bare-key=="})


def test_every_wrong_setting_at_once() -> None:
    """One message names every wrong setting, those whose default does not fit, too."""
    environment = {
        "CANCEL_STORAGE": "key",
        "CANCEL_QUEUE": "cancel-outcomes",
        "BACKOFF_FIRST_SECONDS": "400",
        "POLL_CONCURRENCY": "many",
        "PARTNER_API_URL": "http://contoso.com",
    }
    expected = [
        NO_CLIENT,
        f"- PARTNER_API_URL is 'http://contoso.com': allowed is {ORIGIN}",
        f"- OUTCOME_QUEUE is 'cancel-outcomes': allowed is {OTHER_QUEUE}",
        "- POLL_CONCURRENCY is 'many': allowed is 1 to 256 polls",
        f"- BACKOFF_MAX_SECONDS is '300': allowed is {MOST}",
    ]
    assert expected == _faults(environment)


@pytest.mark.parametrize(
    "host",
    [
        "contoso..com",
        ".contoso.com",
        "contoso.com.",
        f"{'a' * 64}.com",
        ".".join(["a" * 60] * 5),
        "-contoso.com",
        "contoso-.com",
        "xn--a",
        "XN--A.com",
        "contoso.com:0",
        "contoso.com:65536",
        "contoso.com:",
        "256.1.1.1",
        "1.2.3",
        "[::g]",
    ],
)
@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("PARTNER_API_URL", ORIGIN),
        ("CANCEL_STORAGE__queueServiceUri", SERVICE),
        ("CANCEL_STORAGE__tableServiceUri", SERVICE),
    ],
)
def test_hosts(name: str, allowed: str, host: str) -> None:
    """A host that no resolver takes, or a port that nothing can listen on, can never work."""
    url = f"https://{host}"
    shown = url if len(url) <= 200 else url[:199] + "…"

    assert [f"- {name} is {shown!r}: allowed is {allowed}"] == _faults({**STORAGE, name: url})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("AccountName", "no queue client can be built from it"),
        ("AccountName=contoso", "no queue client can be built from it"),
        ("UseDevelopmentStorage=false", "no queue client can be built from it"),
        (f"AccountName=a;;AccountKey={KEY}", "no queue client can be built from it"),
        ("UseDevelopmentStorage=true;", "no table client can be built from it"),
        (f"{QUEUES};{SAS}", "no table client can be built from it"),
        (f"{TABLES};{SAS}", "no queue client can be built from it"),
        (f"AccountName=a;AccountKey={KEY};X=", "no table client can be built from it"),
        ("AccountName=a;AccountKey=abc", "the AccountKey is not base64"),
        (f"{QUEUES};{TABLES};SharedAccessSignature=sv=1", "the SharedAccessSignature has no sig"),
        (f"AccountName=a..b;AccountKey={KEY}", "not a valid host name"),
        (f"AccountName=a b;AccountKey={KEY}", "more than a URL"),
        (f"QueueEndpoint=https://a:0;{TABLES};{SAS}", "not a valid port"),
        (f"{QUEUES};TableEndpoint=ftp://a;{SAS}", "not a valid port"),
        (f"{QUEUES};{TABLES.replace('table.', 'blob.')};{SAS}",
         "the host is not that of the table service"),
    ],
)  # fmt: skip
def test_connection_strings(text: str, why: str) -> None:
    """A connection string that no client can be built from, or that leads nowhere, is wrong."""
    assert [_no_connection_string(why)] == _faults({"CANCEL_STORAGE": text})


@pytest.mark.parametrize("first", ["15", "300"])
def test_backoff_bounds(first: str) -> None:
    """The longest wait may be the first one."""
    loaded = load({**STORAGE, "BACKOFF_FIRST_SECONDS": first})
    assert (float(first), 300) == (loaded.backoff_first, loaded.backoff_max)


def test_what_follows_from_settings() -> None:
    """A lease is three time-outs and 15 s; two queues are named after the request queue."""
    loaded = load({**STORAGE, "PARTNER_API_TIMEOUT_SECONDS": "10", "CANCEL_QUEUE": "asks"})

    assert 45 == loaded.lease_seconds
    assert ("asks-poison", "asks-rejected") == (loaded.poison_queue, loaded.rejected_queue)


def test_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process reads its environment once."""
    settings.settings.cache_clear()
    monkeypatch.setenv("CANCEL_STORAGE", STORAGE["CANCEL_STORAGE"])
    first = settings.settings()

    monkeypatch.setenv("CANCEL_STORAGE", "read no more")

    assert load(STORAGE).storage == first.storage
    assert first is settings.settings()
