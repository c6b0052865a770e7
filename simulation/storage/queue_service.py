"""The Queue service's HTTP face: answers what `azure-storage-queue` sends as Azurite does."""

from datetime import UTC, datetime
from email.utils import format_datetime
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from simulation.storage.queues import NEVER, WEEK, Message, Queues, RefusedError
from simulation.wire import Request, Response

_XML = {"Content-Type": "application/xml"}
_DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
_LATEST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_RECEIVE_HIDDEN = "30"  # seconds, where a caller does not say


class QueueService:
    """Answers requests."""

    def __init__(self, queues: Queues) -> None:
        self._queues = queues

    def __call__(self, request: Request) -> Response:
        """Acts on one request."""
        name, _, rest = request.path[1:].partition("/")
        try:
            if not rest:
                return self._queue(name, request)
            if rest == "messages":
                return self._messages(name, request)
            return self._message(name, rest.removeprefix("messages/"), request)
        except RefusedError as refused:
            error = f"<Error><Code>{refused.code}</Code><Message>Refused.</Message></Error>"
            headers = {"x-ms-error-code": refused.code, **_XML}
            return Response(refused.status, headers, f"{_DECLARATION}{error}".encode())

    def _queue(self, name: str, request: Request) -> Response:
        match request.method:
            case "PUT":
                return Response(201 if self._queues.create(name) else 204)
            case "DELETE":
                self._queues.remove(name)
                return Response(204)
            case _:
                depth = str(self._queues.depth(name))
                return Response(200, {"x-ms-approximate-messages-count": depth})

    def _messages(self, name: str, request: Request) -> Response:
        query = request.query
        match request.method:
            case "POST":
                lifetime = float(query.get("messagettl", WEEK))
                hidden = float(query.get("visibilitytimeout", 0))
                message = self._queues.put(
                    name, _text(request) or "", hidden, NEVER if lifetime < 0 else lifetime
                )
                return _listed(201, _head(message) + _held(message))
            case "DELETE":
                self._queues.clear(name)
                return Response(204)
            case _:
                limit = int(query.get("numofmessages", "1"))
                if query.get("peekonly") == "true":
                    found = self._queues.visible(name)[:limit]
                    return _listed(200, *(_head(m) + _content(m) for m in found))
                hidden = float(query.get("visibilitytimeout", _RECEIVE_HIDDEN))
                found = self._queues.receive(name, limit, hidden)
                return _listed(200, *(_head(m) + _held(m) + _content(m) for m in found))

    def _message(self, name: str, message_id: str, request: Request) -> Response:
        receipt = request.query.get("popreceipt", "")
        if request.method == "DELETE":
            self._queues.delete(name, message_id, receipt)
            return Response(204)

        hidden = float(request.query.get("visibilitytimeout", 0))
        message = self._queues.update(name, message_id, receipt, hidden, _text(request))
        return Response(
            204,
            {
                "x-ms-popreceipt": message.receipt,
                "x-ms-time-next-visible": _time(message.visible_at),
            },
        )


def _text(request: Request) -> str | None:
    if not request.body:
        return None
    return ET.fromstring(request.body).findtext("MessageText") or ""  # noqa: S314 - of our SDK


def _listed(status: int, *messages: str) -> Response:
    inner = "".join(f"<QueueMessage>{message}</QueueMessage>" for message in messages)
    body = f"{_DECLARATION}<QueueMessagesList>{inner}</QueueMessagesList>"
    return Response(status, dict(_XML), body.encode())


def _head(message: Message) -> str:
    return (
        f"<MessageId>{message.id}</MessageId>"
        f"<InsertionTime>{_time(message.inserted_at)}</InsertionTime>"
        f"<ExpirationTime>{_time(message.expires_at)}</ExpirationTime>"
    )


def _held(message: Message) -> str:
    return (
        f"<PopReceipt>{message.receipt}</PopReceipt>"
        f"<TimeNextVisible>{_time(message.visible_at)}</TimeNextVisible>"
    )


def _content(message: Message) -> str:
    text = escape(message.text, {"\r": "&#13;"})
    return f"<DequeueCount>{message.dequeue_count}</DequeueCount><MessageText>{text}</MessageText>"


def _time(seconds: float) -> str:
    """RFC 1123: whole seconds."""
    moment = _LATEST if seconds == NEVER else datetime.fromtimestamp(int(seconds), UTC)
    return format_datetime(moment, usegmt=True)
