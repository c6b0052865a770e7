"""Where an accepted request is polled: every form that a 202 has been seen with."""

import pytest

from local.portal.script import Answer, Fault
from tests.integration.harness import FIRST_WAIT, OPERATION, Harness

MIGRATED = "/api/publishers/contoso/offers/{offer}/operations/" + OPERATION
SLOT = "/api/operations/contoso${offer}$2$preview"
VERSION = "?api-version=2017-10-31"


def filled(value: object, offer: str) -> object:
    """The same with the test's offer in the place of `{offer}`."""
    if isinstance(value, dict):
        return {name: filled(text, offer) for name, text in value.items()}
    return value.replace("{offer}", offer) if isinstance(value, str) else value


def answer_for(harness: Harness, headers: dict[str, str], body: object = None) -> Answer:
    """A 202 for the test's offer."""
    given = {name: text.replace("{offer}", harness.offer) for name, text in headers.items()}
    return Answer(202, filled(body, harness.offer), given)


async def accepts(harness: Harness, answer: Answer) -> None:
    """Submits the request, and polls it once."""
    harness.script(cancel=[answer], operation=[Answer(200, [{"status": "completed"}])])
    await harness.submit()
    await harness.holds("accepted", HttpStatus=202, Attempts=1, Polls=0)
    assert await harness.due_at(FIRST_WAIT)
    assert {"canceled": 1} == await harness.tick_after(FIRST_WAIT)


@pytest.mark.parametrize(
    ("headers", "path"),
    [
        ({"Location": MIGRATED + VERSION}, MIGRATED),
        ({"Location": SLOT + VERSION}, SLOT),
        ({"Location": MIGRATED}, MIGRATED),
        ({"Location": f"operations/{OPERATION}"}, MIGRATED),
        ({"Location": MIGRATED + VERSION + "#part"}, MIGRATED),
        ({"Location": "{url}" + SLOT + VERSION}, SLOT),
        ({"Operation-Location": "{url}" + MIGRATED}, MIGRATED),
        ({"Location": SLOT, "Operation-Location": MIGRATED}, SLOT),
        ({"Location": " ", "Operation-Location": MIGRATED}, MIGRATED),
    ],
    ids=["migrated", "slot", "versionless", "relative", "fragment", "absolute", "2018", "both",
         "blank"],
)  # fmt: skip
async def test_a_header_names_the_location(
    harness: Harness, headers: dict[str, str], path: str
) -> None:
    """Location, else Operation-Location; relative ones resolve, the api-version is added."""
    await accepts(harness, answer_for(harness, headers))

    path = path.replace("{offer}", harness.offer)
    data = await harness.ends("canceled")
    assert [path] == [seen.path for seen in harness.seen("operation")]
    assert path + VERSION == data["location"]
    assert (1, "completed") == (data["polls"], data["operationStatus"])
    assert data["acceptedAt"] <= data["finishedAt"]


@pytest.mark.parametrize(
    "body",
    [
        f'"{MIGRATED}{VERSION}"',
        *(
            {"location": MIGRATED, "id": "x"},
            {"Location": MIGRATED},
            {"operationLocation": MIGRATED},
            {"Operation-Location": MIGRATED},
            {"operation-location": MIGRATED},
            {"location": "", "operationLocation": MIGRATED},
            {"location": MIGRATED, "Location": SLOT},
        ),
    ],
    ids=str,
)
async def test_the_body_names_the_location(harness: Harness, body: object) -> None:
    """A JSON string, or an object with one of the known fields; empty counts as absent."""
    await accepts(harness, answer_for(harness, {}, body))

    await harness.ends("canceled")
    assert [seen.path for seen in harness.seen("operation")] == [
        MIGRATED.replace("{offer}", harness.offer)
    ]


async def test_a_header_comes_before_the_body(harness: Harness) -> None:
    """The first that is present decides."""
    await accepts(harness, answer_for(harness, {"Operation-Location": SLOT}, {"location": "/x"}))

    assert (await harness.ends("canceled"))["location"].startswith("/api/operations/")


@pytest.mark.parametrize(
    "answer",
    [
        Answer(202),
        Answer(202, headers={"Location": "", "Operation-Location": " "}),
        Answer(202, {"id": "x", "location": None}),
        Answer(202, "<p>accepted</p>"),
        Answer(202, '"/api/x"', fault=Fault.TRUNCATE),
        Answer(202, '"accepted"'),
        Answer(202, "[" * 100_000),
    ],
    ids=["nothing", "empty", "other fields", "html", "truncated", "a word", "deep"],
)
@pytest.mark.parametrize("listed", [[], [{"submissionState": "canceled"}]])
async def test_without_a_location_the_list_is_polled(
    harness: Harness, answer: Answer, listed: list[object]
) -> None:
    """What ran for the offer runs no more, and was canceled."""
    running = [{"submissionState": "running"}]
    harness.script(cancel=[answer], submissions=[Answer(200, running), Answer(200, listed)])

    await harness.submit()

    await harness.holds("accepted", Location=None)
    await harness.tick_after(FIRST_WAIT)
    await harness.holds("accepted", Polls=1, OperationStatus="running")
    await harness.tick_after(60)
    data = await harness.ends("canceled")
    assert (2, False) == (data["polls"], "location" in data)
    assert [
        "running",
        "running",
        None,
    ] == [seen.query.get("status") for seen in harness.seen("submissions")]


@pytest.mark.parametrize("word", ["completed", "succeeded", "Failed"])
async def test_a_list_that_ended_otherwise_is_a_failure(harness: Harness, word: str) -> None:
    """Nothing runs, and nothing was canceled."""
    harness.script(cancel=[Answer(202)], submissions=[Answer(200, [{"submissionState": word}])])
    await harness.submit()

    await harness.tick_after(FIRST_WAIT)

    data = await harness.ends("failed", "OperationNotRunning")
    assert word == data["operationStatus"]


async def test_a_list_in_which_only_something_new_runs_is_a_failure(harness: Harness) -> None:
    """It began after the POST: what was to be cancelled runs no more."""
    later = {"submissionState": "running", "createdDateTime": harness.clock.at(900).isoformat()}
    harness.script(cancel=[Answer(202)], submissions=[Answer(200, [later])])
    await harness.submit()

    await harness.tick_after(1000)

    await harness.ends("failed", "OperationNotRunning")


async def test_the_guard_s_own_location_tells_how_it_ended(harness: Harness) -> None:
    """Where the location is the guarded operation, `completed` says that it was not canceled."""
    harness.script(
        cancel=[Answer(202, headers={"Location": harness.location})],
        operation=[Answer(200, {"status": "running"}), Answer(200, {"status": "completed"})],
    )
    await harness.submit(operationId=OPERATION)

    await harness.tick_after(FIRST_WAIT)

    data = await harness.ends("failed", "OperationNotRunning")
    assert "completed" == data["operationStatus"]


@pytest.mark.parametrize("query", ["?Api-Version=2017-10-31", "?API-VERSION=", "?api-version=%20"])
async def test_names_of_a_query_are_compared_without_case(harness: Harness, query: str) -> None:
    """The service refuses a second api-version: the portal never sees two."""
    await accepts(harness, answer_for(harness, {"Location": MIGRATED + query.lower()}))

    (seen,) = harness.seen("operation")
    assert {"api-version": "2017-10-31"} == dict(seen.query)


@pytest.mark.parametrize("body", ["<p>soon</p>", None, '"x"', [{"id": "x"}]])
async def test_a_list_that_cannot_be_understood_says_nothing(
    harness: Harness, body: object
) -> None:
    """Pending, as with any other poll."""
    harness.script(cancel=[Answer(202)], submissions=[Answer(200, body)])
    await harness.submit()

    await harness.tick_after(FIRST_WAIT)

    await harness.holds("accepted", Polls=1)


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example/api/x",
        "{url}@evil.example/api/x",
        "/other/x",
        "/api/%2e%2e/admin",
        "/api/" + "x" * 5000,
    ],
)
async def test_an_untrusted_location_is_not_followed(harness: Harness, location: str) -> None:
    """The request ends failed, with the location kept for reading; the token stays at home."""
    harness.script(cancel=[Answer(202, headers={"Location": location})])

    await harness.submit()

    data = await harness.ends("failed", "UntrustedLocation")
    kept = location.replace("{url}", harness.around.portal.url)
    assert data["location"] == (kept if len(kept) <= 1024 else kept[:1023] + "…")
    assert (202, 1) == (data["httpStatus"], data["attempts"])
    assert {} == await harness.tick_after(FIRST_WAIT)
    assert ["cancel"] == [seen.kind for seen in harness.seen()]


async def test_user_info_is_not_followed_even_at_home(harness: Harness) -> None:
    """The API's own origin, but with a name in front of it."""
    at_home = f"{harness.around.portal.url.replace('//', '//someone@')}{harness.location}"
    harness.script(cancel=[Answer(202, headers={"Location": at_home})])

    await harness.submit()

    assert at_home == (await harness.ends("failed", "UntrustedLocation"))["location"]
