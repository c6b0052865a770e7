"""Turns what the Functions host delivers into the terms that the work needs."""

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

import azure.functions as func

from cancel_trigger.metadata import replaced_metadata
from offer_cancellation.clock import whole_milliseconds
from offer_cancellation.text import clean, cut

_ID_LIMIT = 128  # characters


@dataclass(frozen=True, slots=True)
class Message:
    """One delivery: the message's id, its text, when it was inserted, how often delivered."""

    id: str
    text: str
    inserted_at: datetime
    deliveries: int = 1

    @classmethod
    def received(cls, message: func.QueueMessage, now: datetime) -> Self:
        """What the host delivered; `now` stands in for an insertion time that cannot be known.

        What the text itself names is not believed: with an `insertionTime` of its own it was
        inserted now, with a `dequeueCount` it is at its first delivery, and with an `id` its id
        comes from the text.
        """
        text = _text(message.get_body())
        replaced = replaced_metadata(text)
        message_id = cut(clean(cut(message.id or "", 2 * _ID_LIMIT)), _ID_LIMIT) or "unknown"
        inserted_at = message.insertion_time or now
        if not inserted_at.tzinfo:
            inserted_at = inserted_at.replace(tzinfo=UTC)

        return cls(
            id=_digest(text) if "id" in replaced else message_id,
            text=text,
            inserted_at=now
            if "insertiontime" in replaced
            else min(whole_milliseconds(inserted_at), now),
            deliveries=1 if "dequeuecount" in replaced else message.dequeue_count or 1,
        )


def _text(body: bytes) -> str:
    """The body as text, or as base64 of it where it is not UTF-8."""
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return base64.b64encode(body).decode()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
