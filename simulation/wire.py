"""HTTP requests and responses as the simulated services see them, whatever client sent them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote, urlsplit


@dataclass(slots=True)
class Request:
    """One request as it arrives: header names in lower case, the path percent-decoded."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""
    host: str = ""
    path: str = ""
    query: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        self.host = parts.netloc
        self.path = unquote(parts.path)
        self.query = dict(parse_qsl(parts.query, keep_blank_values=True))

    @property
    def bearer(self) -> str | None:
        """The bearer token, if it brings one."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token if scheme == "Bearer" else None


@dataclass(slots=True)
class Response:
    """One response."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def reason(self) -> str:
        """The status line's phrase."""
        try:
            return HTTPStatus(self.status).phrase
        except ValueError:
            return "Unknown"


Service = Callable[[Request], Response]
"""Acts on a request at the moment of its arrival, and answers."""


class BrokenOffError(Exception):
    """A connection that was reset after the request had been sent."""


class NotConnectedError(Exception):
    """A connection that could not be made: nothing was sent."""
