"""No request outlives its deadline by much, whatever keeps it from its last poll."""

from dataclasses import replace

from local.portal.script import Answer
from offer_cancellation.backoff import Backoff
from offer_cancellation.clock import rfc3339
from tests.integration.faulty_proxy import Proxied
from tests.integration.harness import LEASE, REQUEST_ID, Harness, MakeHarness

HOUR = 3600
MANY = 6


async def _accepted(harness: Harness, *request_ids: str, seconds: float = HOUR) -> None:
    for request_id in request_ids:
        await harness.send(None, requestId=request_id, expiresAt=rfc3339(harness.clock.at(seconds)))
    await harness.deliver()


async def test_an_api_that_says_429_for_ever(harness: Harness) -> None:
    """All expire within a lease of their deadline, each with or without a last poll."""
    harness.accept(Answer(429, headers={"Retry-After": "60"}))
    names = [f"late-{number}" for number in range(MANY)]
    await _accepted(harness, *names)
    while harness.clock() < harness.clock.at(HOUR + LEASE + 61):
        await harness.tick_after(61)
    ends = [(await harness.record(name))["Status"] for name in names]
    assert ["expired"] * MANY == ends


async def test_no_token_at_the_deadline(make_harness: MakeHarness, harness: Harness) -> None:
    """A last poll that cannot be sent is waited for as long, and is no poll."""
    harness.accept()
    await _accepted(harness, REQUEST_ID)
    without_token = make_harness(like=harness)
    harness.around.identity.down = True
    await without_token.tick_after(HOUR)
    assert "accepted" == (await harness.record())["Status"]
    await without_token.tick_after(LEASE)
    assert 0 == (await harness.ends("expired", "DeadlinePassed"))["polls"]


async def test_a_bug_at_the_deadline(harness: Harness) -> None:
    """A bug that comes back at each poll keeps a request pending, but not past its deadline."""

    def jitter() -> float:
        raise ZeroDivisionError

    harness.accept(Answer(200, {"status": "running"}))
    await _accepted(harness, REQUEST_ID)
    harness.services = replace(harness.services, backoff=Backoff(15, 300, jitter))
    assert {"bug": 1} == await harness.tick_after(60)
    await harness.tick_after(HOUR)
    await harness.ends("expired", "DeadlinePassed")


async def test_a_tick_reads_only_what_is_due(proxied: Proxied) -> None:
    """With much pending and nothing due, a tick asks each bucket once, and nothing else."""
    harness = proxied.harness
    harness.accept()
    await _accepted(harness, *(f"later-{number}" for number in range(40)))
    proxied.table.requests.clear()
    await harness.tick()  # the first of the process: it measures and looks for lost rows, too
    proxied.table.requests.clear()

    await harness.tick()

    assert 16 == len(proxied.table.requests)
