"""The queue trigger, with the semantics that Azure Functions documents.

    received ─► function ─ok─► deleted
                   └─failed─► dequeued fewer than maxDequeueCount times: hidden for
                              visibilityTimeout, then received again; else: the poison queue

It does not scale, and its polling delay doubles plainly, where the real one is randomised. An
outage of the storage costs time, never the listener.
"""

import asyncio
import logging

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.functions.meta import Datum
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from local.host.function import TriggeredFunction, drain, stopped_within
from local.host.host_json import QueueOptions
from local.host.message import decoded, hide, kept_hidden, trigger_metadata

_logger = logging.getLogger("local.host")

_FIRST_POLL_SECONDS = 0.1
_OUTAGE_SECONDS = 1.0
_NEVER_EXPIRES = -1


class QueueListener:
    """Feeds one queue's messages to one function until it is told to stop."""

    def __init__(  # noqa: PLR0913 - the parts of a trigger
        self,
        function: TriggeredFunction,
        queue: QueueClient,
        poison: QueueClient,
        options: QueueOptions,
        *,
        lease_seconds: float,
        drain_seconds: float,
    ) -> None:
        self._function = function
        self._queue = queue
        self._poison = poison
        self._options = options
        self._lease_seconds = lease_seconds
        self._drain_seconds = drain_seconds
        self._in_flight: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until `stop`, then let what is in flight finish."""
        stopping = asyncio.create_task(stop.wait())
        try:
            await self._listen(stop, stopping)
            await drain(self._in_flight, self._drain_seconds)
        finally:
            stopping.cancel()
            await drain(self._in_flight, 0)

    async def _listen(self, stop: asyncio.Event, stopping: asyncio.Task[bool]) -> None:
        longest = self._options.max_polling_interval.total_seconds()
        wait = _FIRST_POLL_SECONDS
        while not stop.is_set():
            if len(self._in_flight) > self._options.new_batch_threshold:
                await asyncio.wait(
                    {stopping, *self._in_flight}, return_when=asyncio.FIRST_COMPLETED
                )
                continue
            try:
                messages = await self._receive()
            except AzureError as error:
                self._report_outage(error)
                await stopped_within(stop, _OUTAGE_SECONDS)
                continue
            for message in messages:
                task = asyncio.create_task(self._work(message))
                self._in_flight.add(task)
                task.add_done_callback(self._finished)
            if messages:
                wait = _FIRST_POLL_SECONDS
            else:
                await stopped_within(stop, wait)
                wait = min(wait * 2, longest)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        if not task.cancelled() and (error := task.exception()):
            # The host's own fault; its message comes back when its visibility timeout is over.
            _logger.error("host.broken", exc_info=error)

    async def _receive(self) -> list[QueueMessage]:
        try:
            return await self._receive_page()
        except ResourceNotFoundError:
            await _create(self._queue)
            return []

    async def _receive_page(self) -> list[QueueMessage]:
        pages = self._queue.receive_messages(
            messages_per_page=self._options.batch_size,
            visibility_timeout=round(self._lease_seconds),
        ).by_page()
        # One page is one request; the iterator would go on asking until the queue is empty.
        async for page in pages:
            return [message async for message in page]
        return []

    async def _work(self, message: QueueMessage) -> None:
        try:
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
            async with kept_hidden(self._queue, message, self._lease_seconds):
                succeeded = await self._function.invoke(Datum(body, "string"), metadata)
            await self._settle(message, succeeded)
        except AzureError as error:
            # The message shows up again when its visibility timeout is over.
            self._report_outage(error)

    async def _settle(self, message: QueueMessage, succeeded: bool) -> None:
        if succeeded:
            await self._delete(message)
        elif (message.dequeue_count or 1) >= self._options.max_dequeue_count:
            await self._move_to_poison(message)
        else:
            seconds = self._options.visibility_timeout.total_seconds()
            await hide(self._queue, message, seconds)

    async def _move_to_poison(self, message: QueueMessage) -> None:
        try:
            await self._send_to_poison(message)
        except ResourceNotFoundError:
            await _create(self._poison)
            await self._send_to_poison(message)
        fields = {"message_id": message.id, "queue": self._poison.queue_name}
        _logger.error("queue.poisoned", extra=fields)
        await self._delete(message)

    async def _send_to_poison(self, message: QueueMessage) -> None:
        await self._poison.send_message(message.content, time_to_live=_NEVER_EXPIRES)

    async def _delete(self, message: QueueMessage) -> None:
        try:
            await self._queue.delete_message(message.id, message.pop_receipt)
        except ResourceNotFoundError:
            # Deleted by an earlier try whose answer was lost, or by somebody else.
            _logger.info("queue.already_deleted", extra={"message_id": message.id})

    def _report_outage(self, error: AzureError) -> None:
        code = getattr(error, "error_code", None)
        fields = {"queue": self._queue.queue_name, "error": type(error).__name__, "code": code}
        _logger.warning("queue.unavailable", extra=fields)


async def _create(queue: QueueClient) -> None:
    try:
        await queue.create_queue()
    except ResourceExistsError:
        pass
