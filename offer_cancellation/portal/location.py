"""Where an operation is to be polled, and whether the token may go there.

The bearer token belongs to the origin of `PARTNER_API_URL` alone, below `/api/`. RFC 3986 says how
a relative reference resolves.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, unquote, urljoin, urlsplit

from offer_cancellation.status import Ending, Error, Status
from offer_cancellation.text import cut

LONGEST = 4096  # characters, of what is given and of what becomes of it
_TOO_LONG = f"it is longer than {LONGEST} characters"
_SHOWN = 1024  # characters that are kept of one that is not followed
_HEADERS = ("location", "operation-location")
_BODY_FIELDS = (
    "location",
    "Location",
    "operationLocation",
    "Operation-Location",
    "operation-location",
)
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
        error = Error("UntrustedLocation", f"the location is not followed: {self.reason}")
        return Ending(Status.FAILED, error, http_status, location=cut(self.given, _SHOWN))


def in_headers(headers: Mapping[str, str]) -> str | None:
    """The location of an answer's headers (lower-case names); empty counts as absent."""
    return next((text for name in _HEADERS if (text := headers.get(name, "").strip())), None)


def in_body(body: object) -> str | None:
    """The location of an answer's JSON body: a string, or an object that holds one."""
    candidates = [body]
    if isinstance(body, dict):
        candidates = [body.get(name) for name in _BODY_FIELDS]
    return next((c.strip() for c in candidates if isinstance(c, str) and c.strip()), None)


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
        return Untrusted(given, "it is no URL")
    if "@" in url.netloc:
        return Untrusted(given, "it has user info")
    if not same_origin:
        return Untrusted(given, "its origin is not the API's")
    if not (url.path.startswith("/api/") and _decoded(url.path).startswith("/api/")):
        return Untrusted(given, "its path is not below /api/")
    target = _target(url, api_version)
    return Trusted(target) if len(target) <= LONGEST else Untrusted(given, _TOO_LONG)


def _malformed(given: str) -> str | None:
    if len(given) > LONGEST:
        return _TOO_LONG
    if not all("!" <= character <= "~" for character in given):
        return "it has characters that no URL has"
    if "\\" in _decoded(given):
        return "it has a backslash"
    path = re.sub(r"[?#].*", "", given)
    if _DOT_SEGMENT.search(_decoded(path)):
        return "its path has a dot segment"
    return None


def _decoded(text: str) -> str:
    """Percent-decoded until nothing changes: who decodes twice must find nothing new."""
    while (once := unquote(text)) != text:
        text = once
    return text


def _origin(url: SplitResult) -> tuple[str, str, int | None]:
    port = _PORTS.get(url.scheme) if url.port is None else url.port
    return url.scheme, url.hostname or "", port


def _target(url: SplitResult, api_version: str) -> str:
    query = url.query
    if not parse_qs(query).get("api-version"):
        query = f"{query}&api-version={api_version}" if query else f"api-version={api_version}"
    return f"{url.path}?{query}"
