"""Judges the URLs, host names and storage connection strings of settings.

What no client can be built from, or no resolver takes, can never work. Each function raises
ValueError whose text says why and holds nothing of the value.
"""

import base64
import ipaddress
import re
from urllib.parse import SplitResult, parse_qs, urlsplit

import httpx
from azure.data.tables import TableClient
from azure.storage.queue import QueueClient

_HOST_LIMIT = 253  # characters: RFC 1035, 2.3.4, without the root
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_SERVICES = frozenset({"blob", "dfs", "file", "queue", "table", "web"})


def api_origin(value: str) -> str:
    """An https origin, or http on loopback, without the final slash."""
    url = _split(value)
    is_secure = url.scheme == "https" or (url.scheme == "http" and _is_loopback(_host(url)))
    if not is_secure or url.path not in ("", "/") or "?" in value:
        raise ValueError("not an allowed origin")
    return value.rstrip("/")


def service_url(value: str, *, service: str) -> str:
    """The https URL of a storage account's service: `queue` or `table`."""
    url = _split(value)
    if url.scheme != "https" or "?" in value:
        raise ValueError("not the URL of a service")
    _check_service(_host(url), service)
    return value


def check_connection_string(text: str) -> None:
    """Builds both clients from a storage connection string, and judges what they would use."""
    for service, client in (("queue", QueueClient), ("table", TableClient)):
        try:
            built = client.from_connection_string(text, "name")
        except Exception as error:  # whatever the SDKs raise
            raise ValueError(f"no {service} client can be built from it") from error
        with built:
            url = _split(built.url.partition("?")[0])
            _check_service(_host(url), service)

    _check_credential(text)


def _check_credential(text: str) -> None:
    fields = dict(part.split("=", 1) for part in text.split(";") if part)
    given = {name.lower(): value for name, value in fields.items()}

    if key := given.get("accountkey"):
        try:
            base64.b64decode(key, validate=True)
        except ValueError:
            raise ValueError("the AccountKey is not base64") from None
    elif (token := given.get("sharedaccesssignature")) and not parse_qs(token.lstrip("?")).get(
        "sig"
    ):
        raise ValueError("the SharedAccessSignature has no sig")


def _split(value: str) -> SplitResult:
    """The parts of a URL without user info and fragment, whose host and port can be reached."""
    if not re.fullmatch(r"[!-~]+", value) or any(mark in value for mark in "#\\@"):
        raise ValueError("more than a URL")
    url = urlsplit(value)
    if url.port == 0 or url.netloc.endswith(":"):  # reading it raises ValueError beyond 65535
        raise ValueError("not a valid port")
    _check_host(_host(url))

    try:
        _ = httpx.URL(value).host  # decodes Punycode
    except (httpx.InvalidURL, ValueError):
        raise ValueError("not a valid URL") from None
    return url


def _host(url: SplitResult) -> str:
    return url.hostname or ""


def _check_host(host: str) -> None:
    labels = host.split(".")
    if ":" in host or labels[-1].isdigit():
        ipaddress.ip_address(host)  # raises ValueError
        return
    if len(host) > _HOST_LIMIT or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError("not a valid host name")


def _check_service(host: str, service: str) -> None:
    """Azure's host names tell the service: account.queue.core.windows.net."""
    if _SERVICES.intersection(host.split(".")[1:2]) - {service}:
        raise ValueError(f"the host is not that of the {service} service")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
