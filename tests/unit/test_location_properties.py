"""What holds for every location, whatever the API, or somebody in its place, says."""

from urllib.parse import parse_qsl, unquote, urlsplit

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from offer_cancellation.portal.location import Trusted, Untrusted, in_body, in_headers, resolve
from tests.unit.samples import API, API_VERSION, CANCEL_URL, OFFER

PIECES = [
    "/", "//", "\\", ".", "..", "...", "%2e", "%2E", "%252e", "%2f", "%5c", "%00", "%09", "%25",
    "%", ";", ":", "@", "?", "#", "&", "=", "[", "]", " ", "\t", "\u043e", "\uff0f", "\u3002",
    "http:", "https:", "HTTPS:", "javascript:", "cloudpartner.azure.com", "evil.com", ":443",
    ":0", ":8443", "api", "/api/", "API", "%61pi", "operations", "contoso$offer$2$preview",
    "api-version", "api-version=1", "%61pi-version=1", "Api-Version=", "API-VERSION=2", API, OFFER,
]  # fmt: skip

locations = (
    st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
    | st.lists(st.sampled_from(PIECES), max_size=6).map(lambda ends: "/api/" + "".join(ends))
    | st.text(st.characters())
    | st.integers(3950, 4100).map(lambda length: "/api/".ljust(length, "x"))
)


def _decodings(text: str) -> list[str]:
    """The text, decoded once, twice, until nothing changes."""
    found = [text]
    while (once := unquote(found[-1])) != found[-1]:
        found.append(once)
    return found


def _names(query: str) -> list[str]:
    """The names of a query's parameters that have a value, as the service compares them."""
    return [name.strip().lower() for name, value in parse_qsl(query) if value.strip()]


def _is_safe(target: str) -> bool:
    """Whether the API is asked, below `/api/`, with an api-version and without a fragment."""
    url, sent = urlsplit(API + target), httpx.URL(API + target)
    paths = _decodings(url.path) + _decodings(sent.raw_path.decode("ascii").partition("?")[0])
    segments = [segment for path in paths for segment in path.replace("\\", "/").split("/")]
    return (
        (url.scheme, url.netloc) == ("https", "cloudpartner.azure.com")
        and (sent.scheme, sent.host, sent.port, sent.userinfo)
        == ("https", "cloudpartner.azure.com", None, b"")
        and all(path.startswith("/api/") for path in paths)
        and not {".", ".."} & set(segments)
        and ["api-version"] == [n for n in _names(url.query) if n == "api-version"]
        and "#" not in target
    )


@settings(max_examples=600)
@given(given_text=locations)
def test_whatever_is_trusted_is_safe(given_text: str) -> None:
    """The bearer token goes to the API's origin only, below `/api/`, whatever was given."""
    found = resolve(given_text, CANCEL_URL, API_VERSION)
    if isinstance(found, Trusted):
        assert _is_safe(found.target)
    else:
        assert found == Untrusted(given_text, found.reason)
        assert found.reason


@given(given_text=locations)
def test_trust_lasts(given_text: str) -> None:
    """A trusted location is trusted again, and unchanged, when it is read from the record."""
    found = resolve(given_text, CANCEL_URL, API_VERSION)
    if isinstance(found, Trusted):
        assert found == resolve(found.target, f"{API}/api/", API_VERSION)


@given(name=st.from_regex(r"[A-Za-z0-9$_-]{1,40}", fullmatch=True), is_whole=st.booleans())
def test_operations_are_trusted(name: str, is_whole: bool) -> None:
    """An operation of the API is polled, whatever its name."""
    path = f"/api/operations/{name}"
    expected = Trusted(f"{path}?api-version={API_VERSION}")
    assert expected == resolve(API + path if is_whole else path, CANCEL_URL, API_VERSION)


@given(
    body=st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(st.characters()),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("location"), inner),
    ),
    headers=st.dictionaries(st.sampled_from(["location", "operation-location"]), st.text()),
)
def test_reading_never_raises(body: object, headers: dict[str, str]) -> None:
    """Whatever a body or a header holds, a location is a text without blanks around, or none."""
    for found in (in_body(body), in_headers(headers)):
        assert found is None or (found and found == found.strip())
