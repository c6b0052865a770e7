"""A delivered queue message, in the terms that the work needs."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

import azure.functions as func

from offer_cancellation.clock import whole_milliseconds
from offer_cancellation.text import clean, cut

_ID_LIMIT = 128  # characters: a JSON message's own `id`, which can be long, overrides the queue's
_UNSTORABLE = frozenset(map(chr, (*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF)))


@dataclass(frozen=True, slots=True)
class Message:
    """One delivery: the message's id, its text, when it was inserted, how often delivered."""

    id: str
    text: str
    inserted_at: datetime
    deliveries: int = 1

    @classmethod
    def received(cls, message: func.QueueMessage, now: datetime) -> Self:
        """What the host delivered; `now` stands in for an insertion time that is missing."""
        inserted_at = message.insertion_time or now
        if not inserted_at.tzinfo:
            inserted_at = inserted_at.replace(tzinfo=UTC)
        return cls(
            id=cut(clean(message.id or ""), _ID_LIMIT) or "unknown",
            text=_text(message.get_body()),
            inserted_at=whole_milliseconds(inserted_at),
            deliveries=message.dequeue_count or 1,
        )


def _text(body: bytes) -> str:
    """The body as text that a queue can hold again: base64 of it where it is no such text."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    is_storable = text and not _UNSTORABLE.intersection(text)
    return text if is_storable else base64.b64encode(body).decode()
