"""The messages that a chaos run sends, in every form that a producer may use, and invalid ones.

Texts only, made from what the plan says; an `expiresAt` counts from the moment of sending.
"""

import base64
import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from chaos.offers import PUBLISHER, Guard, Offer

EMAIL_DOMAIN = "chaos.example.com"


class Form(StrEnum):
    """How a producer writes a message."""

    PLAIN = "plain"
    BASE64 = "base64"
    EVENT = "a CloudEvent"
    EVENT_BASE64 = "a CloudEvent in base64"
    EVENT_ARRAY = "an array of one CloudEvent"
    EVENT_COUNTED = "a CloudEvent with a dequeueCount of its own"
    UNDELIVERABLE = "a CloudEvent whose insertionTime the host cannot convert"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A valid request: when and how it is sent, and what its offer is like.

    `at` and `again_at` are seconds from the start; `expires_in`: seconds from `at`. Without an id
    of its own a request gets one from its queue message. With `deaths` it is not sent: it lies in
    the ledger, claimed, and so many of its claimers died before the last one.
    """

    seed: int
    number: int
    at: float
    again_at: float | None
    form: Form
    expires_in: float | None
    offer: Offer
    has_id: bool = True
    deaths: int | None = None

    @property
    def request_id(self) -> str:
        """The id that it has, or would have. Every seventh holds what a key may not hold."""
        odd = " /\\#?%ä" if self.number % 7 == 0 else ""
        return f"chaos-{self.seed}-{self.number:03}{odd}"

    @property
    def offer_id(self) -> str:
        """One request, one offer."""
        return f"offer-{self.number:03}"

    @property
    def emails(self) -> tuple[str, ...]:
        """The addresses to be told; none of them may show in a log."""
        return tuple(f"{name}-{self.number:03}@{EMAIL_DOMAIN}" for name in ("jane", "joe"))

    def operation_id(self, name: str) -> str:
        """The GUID of one of the offer's operations."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.request_id}/{name}"))

    def text(self, started: datetime) -> str:
        """The message; the run started at `started`."""
        fields: dict[str, object] = {
            "publisherId": PUBLISHER,
            "offerId": self.offer_id,
            **({"requestId": self.request_id} if self.has_id else {}),
            "correlationId": f"correlation-{self.number:03}",
            "notificationEmails": list(self.emails) if self.number % 2 else ",".join(self.emails),
        }
        if self.offer.guard is not Guard.NONE:
            fields["operationId"] = self.operation_id(self.offer.guard.name)
        if self.expires_in is not None:
            moment = started + timedelta(seconds=self.at + self.expires_in)
            fields["expiresAt"] = moment.astimezone(UTC).isoformat()
        return _written(fields, self.form, self.request_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invalid:
    """A message that is no request."""

    number: int
    at: float
    again_at: float | None
    text: str


def invalid_text(seed: int, number: int) -> str:
    """One of several ways to get a message wrong; no two texts are the same."""
    good: dict[str, object] = {
        "publisherId": PUBLISHER,
        "offerId": f"invalid-{number:03}",
        "requestId": f"invalid-{seed}-{number:03}",
        "notificationEmails": [f"invalid-{number:03}@{EMAIL_DOMAIN}"],
    }
    match number % 7:
        case 0:
            return _written({**good, "operatonId": "misspelt"}, Form.BASE64, "")
        case 1:
            return _written({**good, "offerId": None}, Form.PLAIN, "")
        case 2:
            return f"neither JSON nor base64, {seed}, {number}!"
        case 3:
            return json.dumps(good)[:-1]
        case 4:
            return _written({**good, "publisherId": "../.."}, Form.EVENT_BASE64, f"e-{number}")
        case 5:
            return json.dumps({**good, "insertionTime": "yesterday"})
        case _:
            emails = [f"invalid-{number:03}@{EMAIL_DOMAIN}", "no address"]
            return _written({**good, "notificationEmails": emails}, Form.PLAIN, "")


def _written(fields: dict[str, object], form: Form, event_id: str) -> str:
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": "/chaos",
        "type": "Chaos.CancelRequested",
        "data": fields,
    }
    match form:
        case Form.PLAIN:
            return json.dumps(fields)
        case Form.BASE64:
            return _base64(fields)
        case Form.EVENT:
            return json.dumps(event)
        case Form.EVENT_BASE64:
            return _base64(event)
        case Form.EVENT_ARRAY:
            return json.dumps([event])
        case Form.EVENT_COUNTED:
            return json.dumps({**event, "dequeueCount": 9})
        case Form.UNDELIVERABLE:
            return json.dumps({**event, "insertionTime": "yesterday"})


def _base64(value: object) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()
