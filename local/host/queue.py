"""The queue trigger, with the semantics that Azure Functions has.

    received ─► function ─ok─► deleted
                   └─failed─► dequeued fewer than maxDequeueCount times: hidden for
                              visibilityTimeout, then received again; else: the poison queue

It does not scale, and its polling delay doubles plainly, where the real one is randomised. A queue
service that stays away, or refuses, ends the listener: `StorageLostError`.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.functions.meta import Datum
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from local.host.function import TriggeredFunction
from local.host.host_json import QueueOptions
from local.host.message import decoded, hide, kept_hidden, trigger_metadata
from local.host.waiting import cut_after, stopped_within

_T = TypeVar("_T")

_logger = logging.getLogger("local.host")

_FIRST_POLL_SECONDS = 0.1
_OUTAGE_PAUSE_SECONDS = 1.0
_SETTLE_SECONDS = 5.0
_POISON_SECONDS = 7 * 24 * 60 * 60
_REFUSALS = (401, 403)


class StorageLostError(Exception):
    """The queue service refused the host, or stayed away for too long."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the host does what `host.json` says nothing of, in seconds, as the real host does.

    A message being worked on is hidden for `lease`, renewed at half time: after a crash it is
    received again that much later. `stop`: what runs has so long when the host is told to stop.
    `outage`: storage may stay away for so long.
    """

    lease: float = 600.0
    stop: float = 10.0
    outage: float = 30.0


class QueueListener:
    """Feeds one queue's messages to one function until it is told to stop."""

    def __init__(
        self,
        function: TriggeredFunction,
        queue: QueueClient,
        poison: QueueClient,
        options: QueueOptions,
        timing: Timing,
    ) -> None:
        self._function = function
        self._queue = queue
        self._poison = poison
        self._options = options
        self._timing = timing
        self._in_flight: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()
        self._lost: StorageLostError | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until `stop`; then what is in flight may finish. StorageLostError."""
        listening = asyncio.create_task(self._listen())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({listening, stopping}, return_when=asyncio.FIRST_COMPLETED)
            await self._finish(listening)
        finally:
            stopping.cancel()
            await cut_after({listening}, 0)
            # Where the worker has gone, what it ran has failed: there is time to write that down.
            await cut_after(self._in_flight, _SETTLE_SECONDS)

    async def _finish(self, listening: asyncio.Task[None]) -> None:
        try:
            async with asyncio.timeout(self._timing.stop):
                # As in the real host, new messages are fetched as long as any is worked on.
                while self._in_flight and not listening.done():
                    await asyncio.wait(self._in_flight, return_when=asyncio.FIRST_COMPLETED)

                self._closing.set()
                await listening
                while self._in_flight:
                    await asyncio.wait(self._in_flight)

                if self._lost is not None:
                    raise self._lost

        except TimeoutError:
            _logger.warning("host.cut", extra={"messages": len(self._in_flight)})
            await cut_after(self._in_flight, 0)

    async def _listen(self) -> None:
        longest = self._options.max_polling_interval.total_seconds()
        wait = _FIRST_POLL_SECONDS
        while not self._closing.is_set():
            if self._lost is not None:
                raise self._lost

            if len(self._in_flight) > self._options.new_batch_threshold:
                await asyncio.wait(self._in_flight, return_when=asyncio.FIRST_COMPLETED)
                continue

            messages = await self._patiently(self._receive)
            for message in messages or ():
                self._begin(message)

            if messages:
                wait = _FIRST_POLL_SECONDS
            else:
                await stopped_within(self._closing, wait)
                wait = min(wait * 2, longest)

    def _begin(self, message: QueueMessage) -> None:
        task = asyncio.create_task(self._work(message))
        self._in_flight.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return

        if isinstance(error, StorageLostError):
            self._lost = error
        else:
            # The host's own fault; its message comes back when its visibility timeout is over.
            _logger.error("host.broken", exc_info=error)

    async def _receive(self) -> list[QueueMessage]:
        pages = self._queue.receive_messages(
            messages_per_page=self._options.batch_size,
            visibility_timeout=round(self._timing.lease),
        ).by_page()
        try:
            # One page is one request; the iterator would go on asking until the queue is empty.
            async for page in pages:
                return [message async for message in page]
        except ResourceNotFoundError:
            # To make the queue is the app's business.
            _logger.debug("queue.missing", extra={"queue": self._queue.queue_name})
        except HttpResponseError as error:
            if error.status_code in _REFUSALS:
                raise

            # It answers, if badly: a listener that only waits for messages can go on waiting.
            self._report(error)

        return []

    async def _work(self, message: QueueMessage) -> None:
        # More than the maximum: earlier deliveries died with their host and never came back.
        if (message.dequeue_count or 1) > self._options.max_dequeue_count:
            await self._move_to_poison(message)
            return

        try:
            body = decoded(str(message.content), self._options.message_encoding)
        except ValueError:
            await self._move_to_poison(message)
            return

        metadata = trigger_metadata(body, message)
        async with kept_hidden(self._queue, message, self._timing.lease):
            succeeded = await self._function.invoke(Datum(body, "string"), metadata)

        if succeeded:
            await self._delete(message)
        elif (message.dequeue_count or 1) >= self._options.max_dequeue_count:
            await self._move_to_poison(message)
        else:
            await self._put_back(message)

    async def _put_back(self, message: QueueMessage) -> None:
        seconds = self._options.visibility_timeout.total_seconds()
        await self._settle(message, lambda: hide(self._queue, message, seconds))

    async def _delete(self, message: QueueMessage) -> None:
        await self._settle(
            message, lambda: self._queue.delete_message(message.id, message.pop_receipt)
        )

    async def _move_to_poison(self, message: QueueMessage) -> None:
        await self._patiently(lambda: self._send_to_poison(message))
        fields = {"message_id": message.id, "queue": self._poison.queue_name}
        _logger.error("queue.poisoned", extra=fields)
        await self._delete(message)

    async def _send_to_poison(self, message: QueueMessage) -> None:
        try:
            await self._poison.send_message(message.content, time_to_live=_POISON_SECONDS)
        except ResourceNotFoundError:
            await _create(self._poison)
            await self._poison.send_message(message.content, time_to_live=_POISON_SECONDS)

    async def _settle(self, message: QueueMessage, act: Callable[[], Awaitable[None]]) -> None:
        async def settle() -> None:
            try:
                await act()
            except HttpResponseError as error:
                if not _is_gone(error):
                    raise

                # By an earlier try whose answer was lost, or by another receiver.
                _logger.info("queue.already_settled", extra={"message_id": message.id})

        await self._patiently(settle)

    async def _patiently(self, act: Callable[[], Awaitable[_T]]) -> _T:
        """Repeat a call of the service until it gets through. StorageLostError."""
        end = time.monotonic() + self._timing.outage
        while True:
            try:
                return await act()
            except AzureError as error:
                self._report(error)
                if getattr(error, "status_code", None) in _REFUSALS or time.monotonic() >= end:
                    raise StorageLostError(f"{self._queue.queue_name}: {_name(error)}") from error

            await asyncio.sleep(_OUTAGE_PAUSE_SECONDS)

    def _report(self, error: AzureError) -> None:
        fields = {"queue": self._queue.queue_name, "error": _name(error)}
        _logger.warning("queue.unavailable", extra=fields)


def _name(error: AzureError) -> str:
    """Return its type and the service's code: never its text, which may hold an address."""
    return " ".join(filter(None, [type(error).__name__, getattr(error, "error_code", None)]))


def _is_gone(error: HttpResponseError) -> bool:
    return isinstance(error, ResourceNotFoundError) or (
        getattr(error, "error_code", None) == "PopReceiptMismatch"
    )


async def _create(queue: QueueClient) -> None:
    try:
        await queue.create_queue()
    except ResourceExistsError:
        pass
