"""The scripted portal: strict in what it accepts, exact in what it answers."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from local.identity import Identity
from local.portal.portal import Portal
from local.portal.script import Answer, Fault, Script

VERSION = "api-version=2017-10-31"
OFFER = "/api/publishers/contoso/offers/vm"
BODY = {"metadata": {"notification-emails": "a@b.example,c@d.example"}}


@dataclass
class _Client:
    portal: Portal
    identity: Identity
    session: aiohttp.ClientSession
    token: str

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, str]:
        options.setdefault("headers", {"Authorization": f"Bearer {self.token}"})
        async with self.session.request(method, self.portal.url + path, **options) as response:
            return response.status, await response.text()

    async def cancel(self, body: object = None) -> tuple[int, str]:
        return await self.ask("POST", f"{OFFER}/cancel?{VERSION}", json=body or BODY)


@pytest_asyncio.fixture
async def client() -> AsyncIterator[_Client]:
    """A running portal and a caller with a good token."""
    async with (
        Identity() as identity,
        Portal(identity) as portal,
        aiohttp.ClientSession() as session,
    ):
        token, _ = identity.issue("https://cloudpartner.azure.com")
        yield _Client(portal, identity, session, token)


async def test_answers_come_in_sequence_and_the_last_one_repeats(client: _Client) -> None:
    """A script is a sequence per kind of request, with the portal's URL filled in."""
    client.portal.script(
        "vm",
        Script(
            cancel=[Answer(202, headers={"Location": "{url}/x"}), Answer(200, {"at": "{url}"})],
            operation=[Answer(200, "<html>")],
        ),
    )

    statuses = [(await client.cancel())[0] for _ in range(3)]
    _, body = await client.cancel()

    assert [202, 200, 200] == statuses
    assert body == f'{{"at": "{client.portal.url}"}}'
    assert 4 == client.portal.count("cancel", "vm")
    assert 0 == client.portal.count("operation", "vm")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (f"{OFFER}/operations/56615b67?{VERSION}", "operation"),
        (f"/api/operations/contoso$vm$2$preview?{VERSION}", "operation"),
        (f"/api/operations/contoso%24vm%242%24preview?{VERSION}", "operation"),
        (f"{OFFER}/submissions/?{VERSION}&status=running", "submissions"),
    ],
)
async def test_every_documented_read_finds_its_offer(client: _Client, path: str, kind: str) -> None:
    """Both forms of an operation, and the list of submissions, lead to the offer's script."""
    answer = [Answer(200, [])]
    client.portal.script("vm", Script(operation=answer, submissions=answer))

    status, _ = await client.ask("GET", path)

    seen = client.portal.seen[0]
    assert 200 == status
    assert (kind, "contoso", "vm") == (seen.kind, seen.publisher_id, seen.offer_id)
    assert client.identity.token_id(client.token) == seen.token_jti
    assert "Authorization" not in seen.headers


async def test_an_unknown_offer_is_not_found(client: _Client) -> None:
    """Without a script the portal's default answers: 404 with an error object."""
    status, body = await client.cancel()

    assert (status, '"code": "NotFound"' in body) == (404, True)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"metadata": {}, "more": 1},
        {"metadata": []},
        {"metadata": {"notification-emails": ""}},
        {"metadata": {"notification-emails": ["a@b.example"]}},
        {"metadata": {"notification-emails": "a@b.example,"}},
        {"metadata": {"notificationEmails": "a@b.example"}},
    ],
)
async def test_another_body_is_refused(client: _Client, body: object) -> None:
    """The cancel body has one shape; anything else is 400, counted, and never acted on."""
    client.portal.script("vm", Script(cancel=[Answer(200)]))

    path = f"{OFFER}/cancel?{VERSION}"
    assert 400 == (await client.ask("POST", path, json=body))[0]
    assert 1 == len(client.portal.refused)
    assert 0 == client.portal.count("cancel", "vm")


async def test_metadata_may_be_empty(client: _Client) -> None:
    """The addresses are optional."""
    client.portal.script("vm", Script(cancel=[Answer(200)]))

    assert 200 == (await client.cancel({"metadata": {}}))[0]


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", f"{OFFER}/cancel", 400),
        ("POST", f"{OFFER}/cancel?api-version=2016-08-01-preview", 400),
        ("POST", f"{OFFER}/cancel?{VERSION}&{VERSION}", 400),
        ("POST", f"{OFFER}/cancel?{VERSION}&status=running", 400),
        ("GET", f"{OFFER}/cancel?{VERSION}", 404),
        ("GET", f"{OFFER}/submissions?{VERSION}", 404),
        ("GET", f"/api/operations/contoso$vm?{VERSION}", 404),
        ("GET", "/", 404),
    ],
)
async def test_another_call_is_refused(
    client: _Client, method: str, path: str, expected: int
) -> None:
    """Version, parameters, method and path are exactly the documented ones."""
    status, _ = await client.ask(method, path, json=BODY if method == "POST" else None)

    assert expected == status
    assert 1 == len(client.portal.refused)
    assert [] == client.portal.seen


async def test_another_content_type_is_refused(client: _Client) -> None:
    """A cancel that does not say it is JSON is 400."""
    headers = {"Authorization": f"Bearer {client.token}", "Content-Type": "text/plain"}

    path = f"{OFFER}/cancel?{VERSION}"
    assert 400 == (await client.ask("POST", path, data='{"metadata":{}}', headers=headers))[0]


async def test_without_a_good_token_it_answers_401(client: _Client) -> None:
    """No token, a made-up one and a revoked one are refused alike, before anything else."""
    client.portal.script("vm", Script(cancel=[Answer(200)]))
    path = f"{OFFER}/cancel?{VERSION}"

    none, _ = await client.ask("POST", path, json=BODY, headers={})
    made_up, _ = await client.ask("POST", path, json=BODY, headers={"Authorization": "Bearer x"})
    client.identity.revoke_all()
    revoked, _ = await client.cancel()

    assert [none, made_up, revoked] == [401, 401, 401]
    assert 3 == len(client.portal.refused)


@pytest.mark.parametrize(
    ("fault", "counted"), [(Fault.RESET_BEFORE, 0), (Fault.RESET_AFTER, 1), (Fault.TRUNCATE, 1)]
)
async def test_a_broken_connection_breaks_on_the_right_side_of_the_act(
    client: _Client, fault: Fault, counted: int
) -> None:
    """The caller sees an error each time; only what was acted on is counted."""
    client.portal.script("vm", Script(cancel=[Answer(200, {"status": "x"}, fault=fault)]))

    with pytest.raises(aiohttp.ClientError):
        await client.cancel()

    assert counted == client.portal.count("cancel", "vm")
    assert fault == client.portal.seen[0].answered


async def test_a_hanging_answer_lasts_as_long_as_its_client(client: _Client) -> None:
    """HANG answers nothing, counts, and does not hold up the portal's end."""
    client.portal.script("vm", Script(cancel=[Answer(fault=Fault.HANG)]))

    asking = asyncio.create_task(client.cancel())
    async with asyncio.timeout(20):
        while client.portal.count("cancel", "vm") == 0:  # noqa: ASYNC110 - it sets no event
            await asyncio.sleep(0.01)

    assert not asking.done()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_a_trickling_answer_arrives_whole(client: _Client) -> None:
    """TRICKLE is slow, and complete."""
    answer = Answer(200, "[1,2]", delay_seconds=0.001, fault=Fault.TRICKLE)
    client.portal.script("vm", Script(cancel=[answer]))

    assert (200, "[1,2]") == await client.cancel()
