"""The state of the Queue service: messages with visibility, pop receipts, counts and an expiry."""

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

WEEK = 7 * 86400.0  # seconds: a message's time-to-live where none is given
NEVER = float("inf")


class RefusedError(Exception):
    """An operation was refused: HTTP status and the service's code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


@dataclass(slots=True)
class Message:
    """A message; times in seconds since the epoch."""

    id: str
    text: str
    inserted_at: float
    expires_at: float
    visible_at: float
    receipt: str
    dequeue_count: int = 0


@dataclass(slots=True)
class Queue:
    """One queue; its messages in the order of their insertion."""

    messages: dict[str, Message] = field(default_factory=dict)


class Queues:
    """Every queue of an account. `now` gives seconds since the epoch."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._queues: dict[str, Queue] = {}
        self._numbers = 0
        self.is_good_id: Callable[[str], bool] = lambda _id: True
        self.was_put: Callable[[str, Message], None] = lambda _queue, _message: None
        self.was_moved: Callable[[str, Message], None] = lambda _queue, _message: None
        self.was_deleted: Callable[[str, Message], None] = lambda _queue, _message: None
        self.order: Callable[[list[Message]], None] = lambda _messages: None

    def create(self, name: str) -> bool:
        """Makes a queue; whether it was not there."""
        is_new = name not in self._queues
        self._queues.setdefault(name, Queue())
        return is_new

    def remove(self, name: str) -> None:
        """Deletes a queue with all its messages. Raises RefusedError."""
        self._existing(name)
        del self._queues[name]

    def put(self, name: str, text: str, hidden: float = 0, lifetime: float = WEEK) -> Message:
        """Inserts a message. Raises RefusedError."""
        queue, now = self._existing(name), self._now()
        message = Message(self._new_id(), text, now, now + lifetime, now + hidden, self._receipt())
        queue.messages[message.id] = message
        self.was_put(name, message)
        return message

    def receive(self, name: str, limit: int, hidden: float) -> list[Message]:
        """Hides visible messages and counts that. Raises RefusedError."""
        found = self.visible(name)
        self.order(found)
        for message in found[:limit]:
            message.dequeue_count += 1
            message.visible_at = self._now() + hidden
            message.receipt = self._receipt()
            self.was_moved(name, message)
        return found[:limit]

    def visible(self, name: str) -> list[Message]:
        """What a caller could receive now. Raises RefusedError."""
        now = self._now()
        found = [m for m in self._alive(name) if m.visible_at <= now]
        return sorted(found, key=lambda m: m.visible_at)

    def update(
        self, name: str, message_id: str, receipt: str, hidden: float, text: str | None
    ) -> Message:
        """Hides a received message for longer, or shows it. Raises RefusedError."""
        message = self._held(name, message_id, receipt)
        message.visible_at = self._now() + hidden
        message.receipt = self._receipt()
        if text is not None:
            message.text = text
        self.was_moved(name, message)
        return message

    def delete(self, name: str, message_id: str, receipt: str) -> None:
        """Deletes a received message. Raises RefusedError."""
        message = self._held(name, message_id, receipt)
        del self._existing(name).messages[message_id]
        self.was_deleted(name, message)

    def clear(self, name: str) -> None:
        """Deletes every message. Raises RefusedError."""
        self._existing(name).messages.clear()

    def depth(self, name: str) -> int:
        """How many messages there are, visible or not. Raises RefusedError."""
        return len(self._alive(name))

    def messages(self, name: str) -> list[Message]:
        """Every message, hidden ones too; none where there is no queue."""
        return self._alive(name) if name in self._queues else []

    def _alive(self, name: str) -> list[Message]:
        queue, now = self._existing(name), self._now()
        for message in [m for m in queue.messages.values() if m.expires_at <= now]:
            del queue.messages[message.id]
        return list(queue.messages.values())

    def _held(self, name: str, message_id: str, receipt: str) -> Message:
        message = next((m for m in self._alive(name) if m.id == message_id), None)
        if message is None:
            raise RefusedError(404, "MessageNotFound")
        if message.receipt != receipt:
            raise RefusedError(400, "PopReceiptMismatch")
        return message

    def _existing(self, name: str) -> Queue:
        if name not in self._queues:
            raise RefusedError(404, "QueueNotFound")
        return self._queues[name]

    def _new_id(self) -> str:
        while not self.is_good_id(name := str(UUID(int=self._number()))):
            pass
        return name

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    def _receipt(self) -> str:
        return f"receipt{self._number():08d}"
