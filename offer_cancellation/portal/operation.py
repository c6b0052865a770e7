"""Reads operations as the API lists and describes them.

One is an object with a `status` (or `submissionState`), or an array whose first element is one;
case, spaces, `_` and `-` of a status do not matter.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from offer_cancellation.portal.answer import Unreadable, error_in
from offer_cancellation.status import Ending, Error, ErrorCode, Status
from offer_cancellation.text import mask_secrets, plain

RUNNING = "running"
NOT_STARTED = "notstarted"
FAILED = "failed"
ACTIVE = frozenset({RUNNING, NOT_STARTED})
CANCELED = frozenset({"canceled", "cancelled"})
DONE = frozenset({"completed", "complete", "succeeded", "success"}) | CANCELED
ENDED = DONE | {FAILED}
KNOWN = ENDED | ACTIVE | {"waitingforpublisherreview"}

_ID = re.compile(r"[A-Za-z0-9_$-]([A-Za-z0-9_$.-]{0,126}[A-Za-z0-9_$-])?")
_MESSAGE_LIMIT = 1000  # characters of one message
_FIRST_YEAR = 1970  # a time before that is a default value: .NET's is the year 1


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation; `raw_status` as the API wrote it, `status` in its plain form."""

    raw_status: str
    id: str | None = None
    created_at: datetime | None = None
    changed_at: datetime | None = None
    failure: str = ""  # its error and its failing steps' messages, as plain text

    @property
    def status(self) -> str:
        """Lower case, without spaces, `_` and `-`."""
        return plain_status(self.raw_status)

    @property
    def is_active(self) -> bool:
        """Whether it runs, or is about to."""
        return self.status in ACTIVE


def is_id(text: str) -> bool:
    """Whether it can be the id of an operation, which is one segment of a URL's path."""
    return bool(_ID.fullmatch(text))


def plain_status(raw: str) -> str:
    """A status word in the one form that is compared."""
    return re.sub(r"[\s_-]", "", raw).lower()


def operation_of(body: object) -> Operation | None:
    """The operation that a body describes; None when it cannot be understood."""
    if isinstance(body, list):
        body = body[0] if body else None

    return _operation(body, "status", "submissionState")


def ending_of(found: Operation) -> Ending | None:
    """How a request ends whose own operation this is; None while it is not over."""
    if found.status in DONE:
        return Ending(Status.CANCELED, operation_status=found.raw_status)
    if found.status != FAILED:
        return None

    text = found.failure or "the operation failed and does not say why"
    error = Error(ErrorCode.OPERATION_FAILED, text)
    return Ending(Status.FAILED, error, operation_status=found.raw_status)


def listed(body: object) -> list[Operation] | None:
    """The operations of a list; None when it, or any of its items, cannot be understood."""
    if isinstance(body, dict):
        body = [body]
    if body is Unreadable.BODY or not isinstance(body, list):
        return None

    items = [_operation(item, "submissionState", "status") for item in body]
    return None if None in items else [item for item in items if item]


def _operation(value: object, *status_fields: str) -> Operation | None:
    if not isinstance(value, dict):
        return None

    raws = (value[name] for name in status_fields if isinstance(value.get(name), str))
    raw = next((text.strip() for text in raws if text.strip()), None)
    if raw is None:
        return None

    given_id = value.get("id")
    return Operation(
        raw_status=mask_secrets(raw),
        id=given_id if isinstance(given_id, str) and is_id(given_id) else None,
        created_at=_moment(value.get("createdDateTime")),
        changed_at=_moment(value.get("changedTime")),
        failure=_failure(value),
    )


def _moment(value: object) -> datetime | None:
    """An ISO 8601 time; UTC where it names no offset."""
    if not isinstance(value, str):
        return None

    try:
        moment = datetime.fromisoformat(value.strip())
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None

    return moment if moment.year >= _FIRST_YEAR else None


def _failure(operation: dict[str, Any]) -> str:
    """The operation's error and its failing steps' messages, as plain text."""
    texts = [error_in(operation.get("error"))]
    for step in _dicts(operation.get("steps")):
        if plain_status(str(step.get("status"))) == FAILED:
            name = str(step.get("stepName") or step.get("id") or "step")
            texts += [f"{name}: {text}" for text in _messages(step)] or [f"{name} failed"]

    texts += _messages(operation)
    cleaned = (plain(text, _MESSAGE_LIMIT) for text in texts[:50])
    return "; ".join(dict.fromkeys(text for text in cleaned if text))


def _messages(holder: dict[str, Any]) -> list[str]:
    found = (m.get("messageHtml") or m.get("message") for m in _dicts(holder.get("messages")))
    return [text for text in found if isinstance(text, str)]


def _dicts(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
