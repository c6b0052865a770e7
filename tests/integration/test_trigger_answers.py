"""What the answer of the cancel POST makes of a request."""

import asyncio
import gzip
import json
import zlib
from email.utils import format_datetime

import pytest

from local.portal.script import Answer, Fault
from tests.integration.harness import FIRST_WAIT, SHORT_TIMEOUT, Harness, MakeHarness

FORBIDDEN = {"error": {"code": "Forbidden", "message": "no such permission"}}
HTML = "<html><body><h1>Bad</h1><p>Gateway &amp; more</p></body></html>"
LONG = json.dumps({"error": {"code": "Long", "message": "x" * 1024 * 1024}})


@pytest.mark.parametrize("status", [200, 204])
async def test_a_200_ends_the_request_canceled(harness: Harness, status: int) -> None:
    """Cancelled at once: one POST, no poll, one event."""
    harness.script(cancel=[Answer(status)])

    await harness.submit()

    data = await harness.ends("canceled")
    assert (status, 1, 0) == (data["httpStatus"], data["attempts"], data["polls"])
    assert "uncertain" not in data
    assert 1 == harness.count("cancel")
    assert [] == await harness.waiting()


@pytest.mark.parametrize("status", [403, 409])
async def test_a_definitive_4xx_rejects(harness: Harness, status: int) -> None:
    """Never retried; code and message of the body reach record and event."""
    harness.script(cancel=[Answer(status, FORBIDDEN)])

    await harness.submit()

    data = await harness.ends("rejected", "Forbidden")
    assert "no such permission" == data["error"]["message"]
    assert "no such permission" == (await harness.record())["ErrorMessage"]
    assert (status, 1) == (data["httpStatus"], data["attempts"])
    assert 1 == harness.count("cancel")


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({"code": "Flat", "message": "not nested"}, "Flat", "not nested"),
        ('"Catalog.EntityDoesNotExistException"', "Http404", "Catalog.EntityDoesNotExistException"),
        (HTML, "Http404", "BadGateway & more"),
        (None, "Http404", "HTTP 404 Not Found"),
    ],
    ids=["flat", "string", "html", "empty"],
)
async def test_an_error_s_body_has_many_forms(
    harness: Harness, body: object, code: str, message: str
) -> None:
    """Object, string, HTML or nothing: what is there is found."""
    harness.script(cancel=[Answer(404, body)])

    await harness.submit()

    assert message == (await harness.ends("rejected", code))["error"]["message"]


@pytest.mark.parametrize(
    ("status", "uncertain"),
    [(408, True), (429, False), (500, True), (501, True), (503, True)],
)
async def test_an_outage_defers(harness: Harness, status: int, uncertain: bool) -> None:
    """Due again after the backoff; uncertain only where the POST may have been acted on."""
    harness.script(cancel=[Answer(status, FORBIDDEN), Answer(200)], submissions=[Answer(404)])

    await harness.submit()

    await harness.holds("deferred", HttpStatus=status, Uncertain=uncertain, Attempts=1)
    assert await harness.due_at(FIRST_WAIT)
    assert [] == await harness.rejected()
    assert {} == await harness.tick_after(FIRST_WAIT - 0.001)
    assert {"put-back": 1} == await harness.tick_after(0.001)
    await harness.deliver()
    data = await harness.ends("canceled")
    assert (2, uncertain) == (data["attempts"], data.get("uncertain", False))


async def test_waits_grow_until_the_longest(harness: Harness) -> None:
    """Each deferral waits longer than the one before, up to BACKOFF_MAX_SECONDS."""
    harness.script(cancel=[Answer(503)])
    await harness.send()
    waits = []

    for _ in range(7):
        await harness.deliver()
        record = await harness.holds("deferred")
        waits.append((record["NextTryAt"] - harness.clock()).total_seconds())
        await harness.tick_after(waits[-1])

    assert [22.5, 45, 90, 180, 225, 225, 225] == waits


@pytest.mark.parametrize(
    ("status", "asked", "wait"),
    [(429, "7", 7), (503, "0", 1), (429, "86400", 3600), (503, "soon", FIRST_WAIT)],
)
async def test_retry_after_wins(harness: Harness, status: int, asked: str, wait: float) -> None:
    """Retry-After in seconds, within 1 s and 1 h; what cannot be read is ignored."""
    harness.script(cancel=[Answer(status, headers={"Retry-After": asked})])

    await harness.submit()

    await harness.holds("deferred")
    assert await harness.due_at(wait)


async def test_retry_after_may_be_a_date(harness: Harness) -> None:
    """An HTTP date counts from the app's clock."""
    date = harness.clock.at(90).replace(microsecond=0)
    headers = {"Retry-After": format_datetime(date, usegmt=True)}
    harness.script(cancel=[Answer(503, headers=headers)])

    await harness.submit()

    record = await harness.holds("deferred")
    assert date == record["NextTryAt"]


async def test_a_401_gets_one_fresh_token(harness: Harness) -> None:
    """The repeat carries another token, and is the same attempt."""
    harness.script(cancel=[Answer(401), Answer(200)])

    await harness.submit()

    data = await harness.ends("canceled")
    tokens = [seen.token_jti for seen in harness.seen("cancel")]
    assert 1 == data["attempts"]
    assert len(tokens) == len(set(tokens)) == 2


async def test_a_second_401_defers(harness: Harness) -> None:
    """One fresh token, then it is an outage that an operator can mend."""
    harness.script(cancel=[Answer(401), Answer(401), Answer(200)])

    await harness.submit()

    await harness.holds("deferred", HttpStatus=401, Uncertain=False, Attempts=1)
    assert 2 == harness.count("cancel")
    await harness.tick_after(FIRST_WAIT)
    await harness.deliver()
    assert 2 == (await harness.ends("canceled"))["attempts"]


async def test_revoked_tokens_are_replaced(harness: Harness) -> None:
    """A token that the API stops taking costs one refused call."""
    harness.script(cancel=[Answer(503), Answer(200)])
    await harness.submit()
    harness.around.identity.revoke_all()

    await harness.tick_after(FIRST_WAIT)
    await harness.deliver()

    await harness.ends("canceled")
    assert [True] == ["401" in refusal for refusal in harness.refused()]


async def test_a_fresh_token_that_cannot_be_had_defers(harness: Harness) -> None:
    """The 401 stands: an attempt that was answered, and surely not acted on."""
    harness.script(cancel=[Answer(503), Answer(401)])
    await harness.submit()
    harness.around.identity.down = True

    await harness.tick_after(FIRST_WAIT)
    await harness.deliver()

    await harness.holds("deferred", HttpStatus=401, Attempts=2)


@pytest.mark.parametrize("status", [302, 308])
async def test_a_redirect_rejects(harness: Harness, status: int) -> None:
    """Redirects are never followed: of the POST a definitive answer."""
    harness.script(
        cancel=[Answer(status, headers={"Location": f"{{url}}{harness.location}"})],
        operation=[Answer(200, {"status": "completed"})],
    )

    await harness.submit()

    await harness.ends("rejected", f"Http{status}")
    assert ["cancel"] == [seen.kind for seen in harness.seen()]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(400, LONG),
        Answer(400, FORBIDDEN, fault=Fault.TRUNCATE),
    ],
    ids=["long", "truncated"],
)
async def test_a_body_that_cannot_be_read_leaves_the_status(
    harness: Harness, answer: Answer
) -> None:
    """Over 1 MiB, broken off: the status decides without it."""
    harness.script(cancel=[answer])

    await harness.submit()

    data = await harness.ends("rejected", "Http400")
    assert (400, "HTTP 400 Bad Request") == (data["httpStatus"], data["error"]["message"])


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (gzip.compress(json.dumps(FORBIDDEN).encode()), "gzip"),
        (zlib.compress(json.dumps(FORBIDDEN).encode()), "deflate"),
        (json.dumps(FORBIDDEN).encode(), "utf-8"),
        (json.dumps(FORBIDDEN).encode(), "gzip"),
    ],
    ids=["gzip", "deflate", "unknown", "untrue"],
)
async def test_a_body_that_came_encoded_is_read(harness: Harness, body: bytes, coding: str) -> None:
    """No coding was asked for; what comes is read all the same."""
    harness.script(cancel=[Answer(400, body, headers={"Content-Encoding": coding})])

    await harness.submit()

    await harness.ends("rejected", "Forbidden")


@pytest.mark.parametrize(
    "answer",
    [
        Answer(203, "<html>Sign in</html>"),
        Answer(200, "<html>Sign in</html>"),
        Answer(200, FORBIDDEN, fault=Fault.TRUNCATE),
        Answer(207, []),
    ],
    ids=["203", "html", "truncated", "207"],
)
async def test_a_2xx_that_does_not_say_done_is_looked_after(
    harness: Harness, answer: Answer
) -> None:
    """Deferred and uncertain; the next attempt looks, and finds that it had worked."""
    harness.script(cancel=[answer], submissions=[Answer(200, [])])

    await harness.submit()

    await harness.holds("deferred", HttpStatus=answer.status, Uncertain=True, Attempts=1)
    await harness.tick_after(FIRST_WAIT)
    await harness.deliver()
    assert (await harness.ends("canceled"))["uncertain"]
    assert 1 == harness.count("cancel")


async def test_an_error_in_a_200_rejects(harness: Harness) -> None:
    """A refusal is a refusal, whatever its status says."""
    harness.script(cancel=[Answer(200, FORBIDDEN)])

    await harness.submit()

    assert 200 == (await harness.ends("rejected", "Forbidden"))["httpStatus"]


async def test_an_operation_in_a_200_is_polled(harness: Harness) -> None:
    """It runs: accepted, and its location decides."""
    headers = {"Operation-Location": harness.location}
    failed = Answer(200, [{"status": "failed", "error": {"message": "Too late."}}])
    harness.script(cancel=[Answer(200, [{"status": "running"}], headers)], operation=[failed])

    await harness.submit()

    await harness.holds("accepted", HttpStatus=200, Location=harness.location)
    await harness.tick_after(FIRST_WAIT)
    assert "Too late." == (await harness.ends("failed", "OperationFailed"))["error"]["message"]


async def test_the_details_of_an_error_are_kept(harness: Harness) -> None:
    """The telling part stands in the record and in the event."""
    details = [{"code": "OfferBusy", "message": "A publish is running."}]
    error = {"code": "ValidationError", "message": "Not valid.", "details": details}
    harness.script(cancel=[Answer(400, {"error": error})])

    await harness.submit()

    data = await harness.ends("rejected", "ValidationError")
    assert "Not valid.; OfferBusy: A publish is running." == data["error"]["message"]


@pytest.mark.parametrize("status", [400, 404, 409])
async def test_a_refusal_after_an_uncertain_attempt_has_its_grace(
    harness: Harness, status: int
) -> None:
    """The first POST may be at work: looked at again until it alone answered for ten minutes."""
    running = [{"submissionState": "running", "createdDateTime": "2020-01-01T00:00:00Z"}]
    harness.script(
        cancel=[Answer(500), Answer(status, FORBIDDEN)], submissions=[Answer(200, running)]
    )
    await harness.submit()
    await harness.tick_after(FIRST_WAIT)
    await harness.deliver()
    await harness.holds("deferred", HttpStatus=status, Attempts=2)

    await harness.tick_after(300)
    await harness.deliver()
    await harness.holds("deferred", HttpStatus=status, Attempts=3)
    await harness.tick_after(300)
    await harness.deliver()

    data = await harness.ends("rejected", "Forbidden")
    assert (True, 4) == (data["uncertain"], data["attempts"])


async def test_a_refusal_while_the_first_post_is_at_work(harness: Harness) -> None:
    """It had worked after all: the look that follows says so."""
    running = Answer(200, [{"submissionState": "running"}])
    canceled = Answer(200, [{"submissionState": "canceled"}])
    harness.script(cancel=[Answer(500), Answer(409, FORBIDDEN)], submissions=[running, canceled])
    await harness.submit()

    for _ in range(2):
        await harness.tick_after(60)
        await harness.deliver()

    data = await harness.ends("canceled")
    assert (True, 2, "canceled") == (data["uncertain"], data["attempts"], data["operationStatus"])


async def test_cookies_are_neither_kept_nor_sent(harness: Harness) -> None:
    """Not even a cookie that no request could carry changes the next call."""
    cookies = ["city=M\u00fcnchen", "a=" + "x" * 700, "b=c; Path=/api", "; =; =", "\x80=\xff"]
    answers = [Answer(503, headers={"Set-Cookie": cookie}) for cookie in cookies]
    harness.script(
        cancel=[*answers, Answer(202, headers={"Location": harness.location, "Set-Cookie": "d=é"})],
        submissions=[Answer(404)],
        operation=[Answer(200, {"status": "completed"})],
    )
    await harness.submit()

    for _ in range(len(cookies) + 1):
        await harness.tick_after(300)
        await harness.deliver()

    await harness.ends("canceled")
    assert harness.count("cancel") == len(cookies) + 1
    assert [] == [seen.kind for seen in harness.seen() if "Cookie" in seen.headers]


async def test_a_token_that_an_error_page_echoes_is_not_kept(harness: Harness) -> None:
    """Neither record nor event holds it."""
    echoed = "eyJhbGciOiJIUzI1NiJ9.eyJhdWQiOiJhcGkifQ.c2lnbmF0dXJl"
    message = f"Bad header. Authorization: Bearer {echoed}"
    harness.script(cancel=[Answer(400, {"error": {"code": echoed, "message": message}})])

    await harness.submit()

    data = await harness.ends("rejected", "***")
    assert "Bad header. Authorization: Bearer ***" == data["error"]["message"]


async def test_a_slow_body_does_not_hold_the_call(make_harness: MakeHarness) -> None:
    """PARTNER_API_TIMEOUT_SECONDS is the whole call, body included."""
    harness = make_harness(**SHORT_TIMEOUT)
    harness.script(cancel=[Answer(200, FORBIDDEN, fault=Fault.TRICKLE, delay_seconds=0.5)])

    async with asyncio.timeout(10):  # the whole body would take 35 s
        await harness.submit()

    await harness.holds("deferred", HttpStatus=200, Uncertain=True)


async def test_the_post_is_what_the_api_expects(make_harness: MakeHarness) -> None:
    """The documented URL, headers and body; If-Match when it is set."""
    harness = make_harness(PARTNER_API_IF_MATCH='"v1"')
    harness.script(cancel=[Answer(200)])

    await harness.submit(notificationEmails=["a@contoso.com", "b@contoso.com"])

    (post,) = harness.seen("cancel")
    assert (post.method, post.path) == ("POST", f"{harness.base}/cancel")
    assert {"api-version": "2017-10-31"} == post.query
    assert "application/json" == post.headers["Content-Type"]
    assert '"v1"' == post.headers["If-Match"]
    emails = {"notification-emails": "a@contoso.com,b@contoso.com"}
    assert {"metadata": emails} == json.loads(post.body)


async def test_if_match_is_off_by_default(harness: Harness) -> None:
    """Without the setting, no If-Match; without addresses, none in the body."""
    harness.script(cancel=[Answer(200)])

    await harness.submit()

    (post,) = harness.seen("cancel")
    assert "If-Match" not in post.headers
    assert {"metadata": {}} == json.loads(post.body)
