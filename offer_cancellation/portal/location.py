"""Finds where an operation is to be polled, and decides whether the token may go there.

The bearer token belongs to the origin of `PARTNER_API_URL` alone, below `/api/`. RFC 3986 says how
a relative reference resolves.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, unquote_plus, urljoin, urlsplit

from offer_cancellation.portal.answer import single
from offer_cancellation.status import Ending, Error, ErrorCode, Status
from offer_cancellation.text import cut, mask_secrets

LENGTH_LIMIT = 4096  # characters, of what is given and of what becomes of it
_TOO_LONG = f"it is longer than {LENGTH_LIMIT} characters"
_DOTTED = "its path has a dot segment"
_QUOTED_LIMIT = 1024  # characters that are kept of one that is not followed
_HEADERS = ("location", "operation-location")
_BODY_FIELDS = (
    "location",
    "Location",
    "operationLocation",
    "Operation-Location",
    "operation-location",
)
_API_VERSION = "api-version"
_PORTS = {"https": 443, "http": 80}
_DOT_SEGMENT = re.compile(r"(^|/)\.{1,2}(;[^/]*)?(/|$)")


@dataclass(frozen=True, slots=True)
class Trusted:
    """A location to poll: path and query, api-version included."""

    target: str


@dataclass(frozen=True, slots=True)
class Untrusted:
    """A location that is not followed: as it was given, and why."""

    given: str
    reason: str

    def ending(self, http_status: int | None = None) -> Ending:
        """How a request with such a location ends; the location is kept for reading."""
        text = f"the location is not followed: {self.reason}"
        error = Error(ErrorCode.UNTRUSTED_LOCATION, text)
        location = cut(mask_secrets(cut(self.given, 2 * LENGTH_LIMIT)), _QUOTED_LIMIT)
        return Ending(Status.FAILED, error, http_status, location=location)


def in_headers(headers: Mapping[str, str]) -> str | None:
    """The location of an answer's headers (lower-case names); empty counts as absent.

    A header given twice with one value is that value; with two it is no location to trust.
    """
    return next((text for name in _HEADERS if (text := in_header(headers, name))), None)


def in_header(headers: Mapping[str, str], name: str) -> str | None:
    """The location of one header, by its lower-case name; empty counts as absent."""
    value = headers.get(name, "")
    present = [part for part in (part.strip() for part in value.split(",")) if part]
    return (present[0] if len(present) == 1 else single(value)) or None


def in_body(body: object) -> str | None:
    """The location of an answer's JSON body; empty counts as absent.

    It is a string that begins with `/` or `http`, or a field of an object.
    """
    if isinstance(body, str):
        text = body.strip()
        return text if text.lower().startswith(("/", "http")) else None

    if not isinstance(body, dict):
        return None

    values = (body.get(name) for name in _BODY_FIELDS)
    return next((text for v in values if isinstance(v, str) and (text := v.strip())), None)


def last_segment(location: str) -> str:
    """The last segment of a location's path, percent-decoded."""
    return unquote(urlsplit(location).path.rstrip("/").rpartition("/")[2])


def resolve(given: str, request_url: str, api_version: str) -> Trusted | Untrusted:
    """A location, resolved against the URL of the request that it answers.

    That URL is below `/api/` of the trusted origin, which is therefore its own.
    """
    reason = _malformed(given)
    if reason:
        return Untrusted(given, reason)

    try:
        url, base = urlsplit(urljoin(request_url, given)), urlsplit(request_url)
        same_origin = _origin(url) == _origin(base)
    except ValueError:
        return Untrusted(given, "it is not a valid URL")

    if "@" in url.netloc:
        return Untrusted(given, "it has user info")
    if not same_origin:
        return Untrusted(given, "its origin is not the API's")
    if not (url.path.startswith("/api/") and _decoded(url.path).startswith("/api/")):
        return Untrusted(given, "its path is not below /api/")
    if _has_dot_segment(url.path):  # one that a scheme without a host had hidden
        return Untrusted(given, _DOTTED)

    target = _target(url, api_version)
    return Trusted(target) if len(target) <= LENGTH_LIMIT else Untrusted(given, _TOO_LONG)


def _malformed(given: str) -> str | None:
    if len(given) > LENGTH_LIMIT:
        return _TOO_LONG
    if not all("!" <= character <= "~" for character in given):
        return "it has characters that no URL has"
    if "\\" in _decoded(given):
        return "it has a backslash"
    return _DOTTED if _has_dot_segment(re.sub(r"[?#].*", "", given)) else None


def _has_dot_segment(path: str) -> bool:
    return _DOT_SEGMENT.search(_decoded(path)) is not None


def _decoded(text: str) -> str:
    """Percent-decoded until nothing changes: who decodes twice must find nothing new."""
    while (once := unquote(text)) != text:
        text = once
    return text


def _origin(url: SplitResult) -> tuple[str, str, int | None]:
    port = _PORTS.get(url.scheme) if url.port is None else url.port
    return url.scheme, url.hostname or "", port


def _target(url: SplitResult, api_version: str) -> str:
    """Path and query with one api-version: the location's own, or ours where it has none.

    The service compares names without case, and refuses a second value.
    """
    others: list[str] = []
    version: str | None = None
    for parameter in url.query.split("&") if url.query else []:
        name, _, value = parameter.partition("=")
        if unquote_plus(name).strip().lower() != _API_VERSION:
            others.append(parameter)
        elif version is None and unquote_plus(value).strip():
            version = parameter
            others.append(parameter)

    if version is None:
        others.append(f"{_API_VERSION}={api_version}")
    return f"{url.path}?{'&'.join(others)}"
