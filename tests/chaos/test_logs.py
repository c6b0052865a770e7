"""What the hosts' logs give away, as the chaos run reads them."""

from datetime import UTC, datetime

import pytest

from chaos.logs import secrets_in, time_outs_in

STARTED = datetime(2030, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("Authorization: Bearer abc", "a bearer token"),
        ("token eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.c2ln", "a bearer token"),
        ("GET /api/x?api-version=2017-10-31", "a query string"),
        ("GET /api/x?status=running&api-version=2017-10-31", "a query string"),
        ("to Jane-001@Chaos.Example.com", "an e-mail address"),
    ],
)
def test_a_secret_is_found_and_not_repeated(line: str, what: str) -> None:
    """The finding names the place and the kind, never the secret."""
    found = secrets_in("host-1.log", f"fine\n{line}\n", "chaos.example.com")

    assert found == [f"host-1.log:2: {what}"]


def test_an_ordinary_line_is_no_secret() -> None:
    """Ids, offers and causes may stand in a log."""
    line = "INFO cancel.deferred requestId=chaos-1-001 offerId=offer-001 cause=time-out"

    assert [] == secrets_in("host-1.log", line, "chaos.example.com")


def test_time_outs_are_told_by_offer_and_time() -> None:
    """Only deferrals for want of an answer count, by the app's own clock."""
    text = (
        "2030-01-31T12:00:03.250Z INFO    x cancel.deferred"
        ' requestId="a \\"b" offerId=offer-001 cause=time-out\n'
        "2030-01-31T12:00:04.000Z INFO    x cancel.deferred offerId=offer-001 cause=network\n"
        "2030-01-31T12:00:05.000Z INFO    x cancel.deferred offerId=offer-002 cause=http-503\n"
        "2030-01-31T12:00:06.000Z INFO    x cancel.claimed offerId=offer-003 cause=time-out\n"
    )

    assert {"offer-001": [3.25, 4.0]} == time_outs_in(text, STARTED)
