"""What the unit tests share: one moment, one request, its record, and how to vary them."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from offer_cancellation.ledger.record import Record
from offer_cancellation.portal.answer import Answer
from offer_cancellation.status import Status

NOW = datetime(2030, 1, 31, 12, 0, 0, 250_000, tzinfo=UTC)
API = "https://cloudpartner.azure.com"
API_VERSION = "2017-10-31"
OFFER = "/api/publishers/contoso/offers/contoso-offer"
CANCEL_URL = f"{API}{OFFER}/cancel?api-version={API_VERSION}"
GUID = "56615b67-2185-49fe-80d2-c4ddf77bb2e8"
OPERATION_URL = f"{API}{OFFER}/operations/{GUID}?api-version={API_VERSION}"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

_HERE = Path(__file__).parent


def message_text(name: str) -> str:
    """The text of a message in `tests/events`."""
    return (_HERE.parent / "events" / name).read_text("utf-8")


def body_of(name: str) -> bytes:
    """A body of the API in `tests/answers`."""
    return (_HERE.parent / "answers" / name).read_bytes()


def seconds(count: float) -> datetime:
    """The moment that many seconds after NOW, or before it."""
    return NOW + timedelta(seconds=count)


def record(**changes: Any) -> Record:
    """A record as its claim writes it at NOW, with changes."""
    claimed = Record(
        request_id="nightly",
        publisher_id="contoso",
        offer_id="contoso-offer",
        status=Status.SUBMITTING,
        requested_at=seconds(-10),
        deadline=seconds(3600),
        first_attempt_at=NOW,
        attempt_at=NOW,
        lease_until=seconds(315),
        due_at=seconds(315),
    )
    return replace(claimed, **changes)


def answer(
    status: int = 200, value: object = None, url: str = CANCEL_URL, **headers: str
) -> Answer:
    """An answer with a JSON body (None: an empty one); `retry_after=` is `retry-after: …`."""
    names = {name.replace("_", "-"): text for name, text in headers.items()}
    body = b"" if value is None else json.dumps(value).encode()
    return Answer(status, names, body, url)


moments = st.integers(-(10**12), 10**12).map(lambda count: NOW + timedelta(milliseconds=count))
"""Times as records hold them."""

texts = st.text(st.characters(), max_size=60)
"""Anything that a JSON string can hold, lone surrogates too."""
