"""The scripted submission API: strict in what it accepts, above all of DELETEs."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest
import pytest_asyncio

from local.identity import Identity
from local.portal.script import Answer, Fault
from local.portal.submission_script import (
    DELETED,
    DRAFT,
    SUBMISSION,
    SUBMITTED,
    SubmissionScript,
)
from local.portal.submissions import AUDIENCE, SubmissionPortal

PRODUCT = "/v1.0/ingestion/products/product-1"
PATH = f"{PRODUCT}/submissions/{SUBMISSION}"


@dataclass
class _Client:
    portal: SubmissionPortal
    session: aiohttp.ClientSession
    token: str

    async def call(self, method: str, path: str = PATH, **headers: str) -> int:
        headers.setdefault("Authorization", f"Bearer {self.token}")
        url = self.portal.url + path
        async with self.session.request(method, url, headers=headers) as response:
            assert response.headers["request-id"]
            return response.status

    async def calls(self, *methods: str) -> list[int]:
        return [await self.call(method) for method in methods]


@pytest_asyncio.fixture
async def client() -> AsyncIterator[_Client]:
    """The API, and a caller with a good token."""
    async with (
        Identity() as identity,
        SubmissionPortal(identity) as portal,
        aiohttp.ClientSession() as session,
    ):
        token, _ = identity.issue(AUDIENCE)
        yield _Client(portal, session, token)


async def test_states_over_time(client: _Client) -> None:
    """Reads follow the script; from a DELETE that was acted on they follow the other one."""
    script = SubmissionScript(read=[Answer(503), SUBMITTED], after=[SUBMITTED, Answer(404)])
    client.portal.script("product-1", script)

    statuses = await client.calls("GET", "GET", "DELETE", "GET", "GET")

    assert [503, 200, 204, 200, 404] == statuses
    assert (4, 1) == (client.portal.count("read", "product-1"),
                      client.portal.count("delete", "product-1"))  # fmt: skip


@pytest.mark.parametrize(
    "before", [[], ["GET", "GET"], ["GET", "DELETE"]], ids=["unread", "draft since", "deleted"]
)
async def test_a_delete_without_a_read_is_refused(client: _Client, before: list[str]) -> None:
    """Each read of `Submitted` allows one DELETE."""
    read = [SUBMITTED, DRAFT] if before == ["GET", "GET"] else [SUBMITTED]
    client.portal.script("product-1", SubmissionScript(read=read))
    await client.calls(*before)

    assert 409 == await client.call("DELETE")

    assert 1 == len(client.portal.refused)


async def test_a_delete_may_be_repeated_after_a_401(client: _Client) -> None:
    """It was not acted on."""
    script = SubmissionScript(read=[SUBMITTED], delete=[Answer(401), DELETED])
    client.portal.script("product-1", script)

    assert [200, 401, 204] == await client.calls("GET", "DELETE", "DELETE")


async def test_a_read_that_was_lost_allows_nothing(client: _Client) -> None:
    """What the caller has not seen it has not read."""
    lost = Answer(SUBMITTED.status, SUBMITTED.body, fault=Fault.RESET_AFTER)
    client.portal.script("product-1", SubmissionScript(read=[lost]))
    with pytest.raises(aiohttp.ClientError):
        await client.call("GET")

    assert 409 == await client.call("DELETE")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("DELETE", PRODUCT, 405),
        ("DELETE", f"{PRODUCT}/submissions/", 405),
        ("DELETE", f"{PRODUCT}/submissions", 405),
        ("DELETE", f"{PRODUCT}/submissions/abc", 404),
        ("GET", f"{PRODUCT}/submissions", 405),
        ("GET", f"{PATH}?api-version=1", 400),
        ("GET", "/v1.0/ingestion/products/x", 404),
        ("PUT", PATH, 405),
        ("HEAD", PATH, 405),
        ("GET", "/v1.0/ingestion/products", 405),
    ],
)
async def test_everything_else_is_refused(
    client: _Client, method: str, path: str, status: int
) -> None:
    """Refused and counted."""
    assert status == await client.call(method, path)
    assert 1 == len(client.portal.refused)


async def test_a_token_for_the_other_api_is_refused(client: _Client) -> None:
    """Each API has an audience of its own."""
    assert 401 == await client.call("GET", Authorization="Bearer other")
    assert 1 == len(client.portal.refused)


async def test_a_publisher_may_be_demanded(client: _Client) -> None:
    """Without the header each call is answered 400; with it, as its script says."""
    client.portal.script("product-1", SubmissionScript(read=[SUBMITTED]))
    client.portal.publisher_id = 7

    found = [await client.call("GET"), await client.call("GET", **{"x-ms-publisherId": "7"})]

    assert ([400, 200], []) == (found, client.portal.refused)
