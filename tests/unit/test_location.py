"""Where an operation is polled, and whether the token may go there."""

import pytest

from offer_cancellation.portal.answer import Unreadable
from offer_cancellation.portal.location import (
    Trusted,
    Untrusted,
    in_body,
    in_headers,
    last_segment,
    resolve,
)
from offer_cancellation.status import Ending, Error, Status
from tests.unit.samples import API, API_VERSION, CANCEL_URL, GUID, OFFER

VERSION = f"?api-version={API_VERSION}"
OPERATION = f"{OFFER}/operations/{GUID}"

LONGEST = "/api/" + "x" * (4091 - len(VERSION))

TOO_LONG = "it is longer than 4096 characters"
NOT_THE_ORIGIN = "its origin is not the API's"
NOT_BELOW_API = "its path is not below /api/"
DOT_SEGMENT = "its path has a dot segment"
BACKSLASH = "it has a backslash"
USER_INFO = "it has user info"
NO_URL = "it is not a valid URL"
NO_CHARACTERS = "it has characters that no URL has"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({"location": "/a", "operation-location": "/b"}, "/a", id="both"),
        pytest.param({"operation-location": "/b"}, "/b", id="Operation-Location alone"),
        pytest.param({"location": " ", "operation-location": " /b "}, "/b", id="empty is absent"),
        pytest.param({"location": "", "content-location": "/c"}, None, id="neither"),
        pytest.param({"location": "/a, /a"}, "/a", id="given twice"),
        pytest.param({"location": "/a,/a, /a"}, "/a", id="given thrice"),
        pytest.param({"location": ", /a"}, "/a", id="once empty"),
        pytest.param({"location": "/a, /b"}, "/a, /b", id="two different ones"),
        pytest.param({"location": "/a,b"}, "/a,b", id="a comma"),
    ],
)
def test_in_headers(headers: dict[str, str], expected: str | None) -> None:
    """The first present of `Location`, `Operation-Location` counts; empty counts as absent."""
    assert expected == in_headers(headers)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param("/a", "/a", id="a JSON string"),
        pytest.param(" /a\n", "/a", id="a JSON string, blanks around"),
        pytest.param("", None, id="an empty string"),
        pytest.param("HTTPS://x/a", "HTTPS://x/a", id="a whole URL"),
        pytest.param("accepted", None, id="a word"),
        pytest.param("operations/1", None, id="a string that begins otherwise"),
        pytest.param({"location": "/a"}, "/a", id="location"),
        pytest.param({"Location": "/a"}, "/a", id="Location"),
        pytest.param({"operationLocation": "/a"}, "/a", id="operationLocation"),
        pytest.param({"Operation-Location": "/a"}, "/a", id="Operation-Location"),
        pytest.param({"operation-location": "/a"}, "/a", id="operation-location"),
        pytest.param(
            {
                "operation-location": "/e",
                "Operation-Location": "/d",
                "operationLocation": "/c",
                "Location": "/b",
                "location": "/a",
            },
            "/a",
            id="the first of all",
        ),
        pytest.param({"location": " ", "Location": "/b"}, "/b", id="empty is absent"),
        pytest.param({"location": 7, "Location": "/b"}, "/b", id="no string is absent"),
        pytest.param({"href": "/a"}, None, id="another field"),
        pytest.param(["/a"], None, id="an array"),
        pytest.param(None, None, id="null"),
        pytest.param(Unreadable.BODY, None, id="no JSON"),
    ],
)
def test_in_body(body: object, expected: str | None) -> None:
    """The body's location is a JSON string, or a field of an object."""
    assert expected == in_body(body)


@pytest.mark.parametrize(
    ("given", "target"),
    [
        pytest.param(f"{OPERATION}{VERSION}", f"{OPERATION}{VERSION}", id="2020, migrated"),
        pytest.param(
            f"/api/operations/contoso$contoso-offer$2$preview{VERSION}",
            f"/api/operations/contoso$contoso-offer$2$preview{VERSION}",
            id="2020, not migrated",
        ),
        pytest.param(f"{API}{OPERATION}", f"{OPERATION}{VERSION}", id="2018, no api-version"),
        pytest.param("HTTPS://CloudPartner.Azure.COM/api/x", f"/api/x{VERSION}", id="letter case"),
        pytest.param(f"{API}:443/api/x", f"/api/x{VERSION}", id="the default port"),
        pytest.param(f"{API}:/api/x", f"/api/x{VERSION}", id="an empty port"),
        pytest.param("//cloudpartner.azure.com/api/x", f"/api/x{VERSION}", id="no scheme"),
        pytest.param("operations/1", f"{OFFER}/operations/1{VERSION}", id="relative to the offer"),
        pytest.param("?a=b", f"{OFFER}/cancel?a=b&api-version={API_VERSION}", id="a query alone"),
        pytest.param("/api/x?a=b", f"/api/x?a=b&api-version={API_VERSION}", id="another query"),
        pytest.param(
            "/api/x?api-version=2020-01-01", "/api/x?api-version=2020-01-01", id="its own version"
        ),
        pytest.param(
            "/api/x?api-version=", f"/api/x?api-version={API_VERSION}", id="an empty version",
        ),
        pytest.param("/api/x?Api-Version=1", "/api/x?Api-Version=1", id="its own, another case"),
        pytest.param("/api/x?API%2DVERSION=1", "/api/x?API%2DVERSION=1", id="encoded, too"),
        pytest.param(
            "/api/x?a=b&API-Version=%20&c=d", f"/api/x?a=b&c=d&api-version={API_VERSION}",
            id="a blank version, another case",
        ),
        pytest.param(
            "/api/x?api-version&a=b", f"/api/x?a=b&api-version={API_VERSION}", id="only its name"
        ),
        pytest.param(
            "/api/x?api-version=+&Api-Version=1&api-version=2", "/api/x?Api-Version=1",
            id="several versions",
        ),
        pytest.param(
            "/api/x?my-api-version=1", f"/api/x?my-api-version=1&api-version={API_VERSION}",
            id="a name that ends like it",
        ),
        pytest.param(f"/api/x{VERSION}#top", f"/api/x{VERSION}", id="fragment"),
        pytest.param("/api/x#?api-version=1", f"/api/x{VERSION}", id="version in the fragment"),
        pytest.param("/api/a%20b", f"/api/a%20b{VERSION}", id="encoded space"),
        pytest.param("/api/a%2Fb", f"/api/a%2Fb{VERSION}", id="encoded slash"),
        pytest.param("/api/100%", f"/api/100%{VERSION}", id="a bare percent sign"),
        pytest.param("/api/...", f"/api/...{VERSION}", id="three dots"),
        pytest.param("/api/.a/b..", f"/api/.a/b..{VERSION}", id="dots in a name"),
        pytest.param(
            "/api/x?p=/../y", f"/api/x?p=/../y&api-version={API_VERSION}", id="dots in a query"
        ),
        pytest.param("/api//x", f"/api//x{VERSION}", id="an empty segment"),
        pytest.param("/api/!~", f"/api/!~{VERSION}", id="the first and the last character"),
        pytest.param("/api/x#".ljust(4096, "x"), f"/api/x{VERSION}", id="a long fragment"),
        pytest.param("/api/@x:y", f"/api/@x:y{VERSION}", id="signs in the path"),
        pytest.param("https:///api/x@evil.com", f"/api/x@evil.com{VERSION}", id="no host"),
        pytest.param(LONGEST, LONGEST + VERSION, id="4096 characters"),
    ],
)  # fmt: skip
def test_trusted(given: str, target: str) -> None:
    """A location below `/api/` of the API is polled, with an api-version, without a fragment."""
    assert Trusted(target) == resolve(given, CANCEL_URL, API_VERSION)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        pytest.param("https://evil.com/api/x", NOT_THE_ORIGIN, id="another host"),
        pytest.param("//evil.com/api/x", NOT_THE_ORIGIN, id="another host, no scheme"),
        pytest.param("http://cloudpartner.azure.com/api/x", NOT_THE_ORIGIN, id="another scheme"),
        pytest.param("ftp://cloudpartner.azure.com/api/x", NOT_THE_ORIGIN, id="no http"),
        pytest.param(f"{API}:8443/api/x", NOT_THE_ORIGIN, id="another port"),
        pytest.param(f"{API}:0/api/x", NOT_THE_ORIGIN, id="port 0"),
        pytest.param(f"{API}:80/api/x", NOT_THE_ORIGIN, id="the port of http"),
        pytest.param(f"{API}.evil.com/api/x", NOT_THE_ORIGIN, id="a longer host"),
        pytest.param(f"{API}./api/x", NOT_THE_ORIGIN, id="a trailing dot"),
        pytest.param("https://x.cloudpartner.azure.com/api/x", NOT_THE_ORIGIN, id="a subdomain"),
        pytest.param("https://xn--cludpartner-jcd.azure.com/api/x", NOT_THE_ORIGIN, id="punycode"),
        pytest.param("javascript:alert(1)", NOT_THE_ORIGIN, id="a script"),
        pytest.param("data:/api/x", NOT_THE_ORIGIN, id="data"),
        pytest.param("https://me@cloudpartner.azure.com/api/x", USER_INFO, id="a user"),
        pytest.param("https://me:pw@cloudpartner.azure.com/api/x", USER_INFO, id="with password"),
        pytest.param("https://@cloudpartner.azure.com/api/x", USER_INFO, id="an empty user"),
        pytest.param(f"{API}@evil.com/api/x", USER_INFO, id="the API as a user"),
        pytest.param(f"{API}%40evil.com/api/x", NOT_THE_ORIGIN, id="encoded in the host"),
        pytest.param("/", NOT_BELOW_API, id="the root"),
        pytest.param("/api", NOT_BELOW_API, id="/api itself"),
        pytest.param("/apix/y", NOT_BELOW_API, id="a longer name"),
        pytest.param("/API/x", NOT_BELOW_API, id="another case"),
        pytest.param("/x/api/y", NOT_BELOW_API, id="further below"),
        pytest.param("//cloudpartner.azure.com", NOT_BELOW_API, id="no path"),
        pytest.param("/%2fapi/x", NOT_BELOW_API, id="an encoded slash before"),
        pytest.param("/api%2Fx", NOT_BELOW_API, id="an encoded slash after"),
        pytest.param("../x", DOT_SEGMENT, id="dots first"),
        pytest.param("..", DOT_SEGMENT, id="dots alone"),
        pytest.param("/api/../x", DOT_SEGMENT, id="dots"),
        pytest.param("/api/./x", DOT_SEGMENT, id="a dot"),
        pytest.param("/api/x/..", DOT_SEGMENT, id="dots last"),
        pytest.param("/api/x/.?a=b", DOT_SEGMENT, id="a dot before a query"),
        pytest.param("/api/x/..#top", DOT_SEGMENT, id="dots before a fragment"),
        pytest.param("/api/%2e%2E/x", DOT_SEGMENT, id="encoded dots"),
        pytest.param("/api/.%2e/x", DOT_SEGMENT, id="one encoded dot"),
        pytest.param("/api/%252e%252e/x", DOT_SEGMENT, id="dots encoded twice"),
        pytest.param("/api/%25252e%2525252e/x", DOT_SEGMENT, id="more often"),
        pytest.param("/api/x%2f..%2fy", DOT_SEGMENT, id="between encoded slashes"),
        pytest.param("/api/..;a=b/x", DOT_SEGMENT, id="with a parameter"),
        pytest.param("/api/x%3f/../y", DOT_SEGMENT, id="behind an encoded query mark"),
        pytest.param(f"{API}/api/../x", DOT_SEGMENT, id="in a whole URL"),
        pytest.param("/api/\\x", BACKSLASH, id="backslash"),
        pytest.param("\\\\evil.com/api/x", BACKSLASH, id="backslashes for slashes"),
        pytest.param("/api/%5Cx", BACKSLASH, id="encoded backslash"),
        pytest.param("/api/%255cx", BACKSLASH, id="encoded twice"),
        pytest.param("/api/x?a=\\", BACKSLASH, id="in the query"),
        pytest.param("/api/x y", NO_CHARACTERS, id="space"),
        pytest.param("/api/x, /api/y", NO_CHARACTERS, id="two different ones"),
        pytest.param("/api/x\r\nHost: evil.com", NO_CHARACTERS, id="line feed"),
        pytest.param("/api/x\t", NO_CHARACTERS, id="tab"),
        pytest.param("/api/\0", NO_CHARACTERS, id="NUL"),
        pytest.param("/api/č", NO_CHARACTERS, id="not ASCII"),
        pytest.param("https://cl\u043eudpartner.azure.com/api/x", NO_CHARACTERS, id="look-alike"),
        pytest.param("https://cloudpartner\u3002azure.com/api/x", NO_CHARACTERS, id="other dot"),
        pytest.param("/api\uff0fx", NO_CHARACTERS, id="other slash"),
        pytest.param("https://[::1/api/x", NO_URL, id="half an IPv6 address"),
        pytest.param(f"{API}:port/api/x", NO_URL, id="no port"),
        pytest.param(f"{API}:99999/api/x", NO_URL, id="no possible port"),
        pytest.param("/api/" + "x" * 4092, TOO_LONG, id="too long"),
        pytest.param("/api/x#".ljust(4097, "x"), TOO_LONG, id="too long a fragment"),
        pytest.param(f"{LONGEST}x", TOO_LONG, id="too long with the api-version"),
    ],
)  # fmt: skip
def test_untrusted(given: str, reason: str) -> None:
    """Any other location is not followed, and is kept as it was given, with the reason."""
    assert Untrusted(given, reason) == resolve(given, CANCEL_URL, API_VERSION)


@pytest.mark.parametrize(
    ("request_url", "given", "is_trusted"),
    [
        ("http://localhost:7071/api/x", "http://localhost:7071/api/y", True),
        ("http://localhost:7071/api/x", "http://localhost/api/y", False),
        ("http://localhost:7071/api/x", "http://127.0.0.1:7071/api/y", False),
        ("http://localhost/api/x", "http://localhost:80/api/y", True),
        ("http://[::1]:7071/api/x", "http://[::1]:7071/api/y", True),
        ("http://localhost:7071/api/x", "https://localhost:7071/api/y", False),
    ],
)
def test_origin_of_the_request(request_url: str, given: str, is_trusted: bool) -> None:
    """The origin is that of the request: scheme, host and port."""
    expected = (
        Trusted(f"/api/y?api-version={API_VERSION}")
        if is_trusted
        else Untrusted(given, NOT_THE_ORIGIN)
    )
    assert expected == resolve(given, request_url, API_VERSION)


def test_ending() -> None:
    """The request ends `failed`, code `UntrustedLocation`, the location kept for reading."""
    error = Error("UntrustedLocation", f"the location is not followed: {NOT_THE_ORIGIN}")
    untrusted = Untrusted("https://evil.com/", NOT_THE_ORIGIN)
    assert Ending(Status.FAILED, error, 202, location="https://evil.com/") == untrusted.ending(202)
    assert Ending(Status.FAILED, error, None, location="https://evil.com/") == untrusted.ending()


def test_ending_of_a_long_one() -> None:
    """A long location is cut, and ends in `…`."""
    assert "x" * 1023 + "…" == Untrusted("x" * 5000, NO_URL).ending().location


def test_ending_without_secrets() -> None:
    """A location that is kept for reading is kept without its signature."""
    location = Untrusted("https://evil.com/?sig=abc&x=1", NOT_THE_ORIGIN).ending().location
    assert "https://evil.com/?sig=***&x=1" == location


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (f"{OPERATION}{VERSION}", GUID),
        (f"{API}{OPERATION}/", GUID),
        ("/api/operations/a%24b?x=/y", "a$b"),
        ("/", ""),
    ],
)
def test_last_segment(given: str, expected: str) -> None:
    """The last segment of the path, decoded, names the operation."""
    assert expected == last_segment(given)
