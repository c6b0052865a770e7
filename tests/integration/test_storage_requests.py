"""What the app asks of storage for each kind of work: the workbook multiplies by these numbers."""

from local.portal.script import Answer
from poll_timer.maintenance import PERIOD_SECONDS
from tests.integration.faulty_proxy import Proxied
from tests.storage_requests import A_DEFERRAL, A_POLL, A_REQUEST, A_TICK


def _count(proxied: Proxied) -> int:
    """The requests since this was asked last, without the host's own: receiving and deleting."""
    own = [
        name
        for name in (*proxied.table.requests, *proxied.queue.requests)
        if "-poison" in name or not (name.startswith(("GET", "DELETE")) and "/messages" in name)
    ]
    proxied.table.requests.clear()
    proxied.queue.requests.clear()

    return len(own)


async def _begin(proxied: Proxied) -> None:
    """Queues, table and this period's maintenance are done; the next ticks do without."""
    harness = proxied.harness
    start = harness.clock().timestamp() % PERIOD_SECONDS
    harness.clock.advance(PERIOD_SECONDS - start)
    harness.script(cancel=[Answer(200)])
    await harness.submit(requestId="first")
    await harness.tick()
    _count(proxied)


async def test_an_idle_tick(proxied: Proxied) -> None:
    """It reads sixteen partitions, makes sure of the request queue, and receives once."""
    await _begin(proxied)

    await proxied.harness.tick()

    assert A_TICK == _count(proxied)


async def test_a_cancel_that_ends_at_once(proxied: Proxied) -> None:
    """Claim, end, event, removal of the due row."""
    await _begin(proxied)
    proxied.harness.script(cancel=[Answer(200)])

    await proxied.harness.submit()

    assert A_REQUEST == _count(proxied)


async def test_a_deferral(proxied: Proxied) -> None:
    """What one more attempt costs: to find it due, to put it back, to take it over, to write it."""
    await _begin(proxied)
    harness = proxied.harness
    harness.script(cancel=[Answer(429), Answer(200)])

    await harness.submit()
    await harness.tick_after(60)
    await harness.deliver()

    assert A_REQUEST + A_DEFERRAL + A_TICK == _count(proxied)


async def test_a_poll(proxied: Proxied) -> None:
    """Each reads the record and writes it."""
    await _begin(proxied)
    harness = proxied.harness
    harness.accept(Answer(200, {"status": "running"}), Answer(200, {"status": "completed"}))

    await harness.submit()
    await harness.tick_after(60)
    await harness.tick_after(60)

    assert "canceled" == (await harness.record())["Status"]
    assert A_REQUEST + 2 * (A_POLL + A_TICK) == _count(proxied)
