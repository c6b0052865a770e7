"""Messages that the host gave up: noticed by a peek, reported once; they stay for replay.

The app puts messages there, too, and reports them itself. What tells the host's own:

    no record                   its workers died before the claim: logged
    record final                it may have died before its event: the event is sent again
    record pending              the ledger has it
    no request                  the app's own, unless it could not be handed to the app at all
"""

import json
import logging
from datetime import timedelta

from offer_cancellation import log, telemetry
from offer_cancellation.clients import Clients
from offer_cancellation.errors import UnreadableRecordError
from offer_cancellation.outcome import Refusal
from offer_cancellation.request import CancelRequest, InvalidRequest, parse, request_id_conflict
from offer_cancellation.storage import Poisoned

logger = logging.getLogger(__name__)

REPORT_WITHIN = timedelta(days=1)  # later restarts do not repeat old events
_TIMES = frozenset({"insertiontime", "expirationtime", "nextvisibletime"})


async def notice_poison(clients: Clients) -> int:
    """Looks at the oldest messages, at each once; says how many the queue holds.

    Raises AzureError.
    """
    depth = await clients.poison.depth()
    telemetry.poison_holds(depth)
    messages = await clients.poison.peek() if depth else []
    for message in messages:
        key = f"poison {message.id}"
        if clients.once.first(key):
            try:
                await _notice(message, clients)
            except BaseException:
                clients.once.forget(key)
                raise
    if depth > len(messages) and clients.once.first("poison out of sight"):
        # A peek shows the oldest only: what lies behind them is seen once they are gone.
        log.event(logger, "poison.out_of_sight", logging.ERROR, depth=depth, seen=len(messages))
    return depth


def cannot_be_delivered(text: str) -> bool:
    """Whether the host fails to hand a message to the app.

    Top-level properties of plain JSON take the place of the queue's own metadata of that name,
    and the worker then decodes them: a delivery count must be a whole number, and no time that a
    producer writes comes through.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    properties = {k.casefold(): v for k, v in value.items()} if isinstance(value, dict) else {}
    count = properties.get("dequeuecount", 1)
    has_text_for_a_time = any(isinstance(properties.get(name), str) for name in _TIMES)
    return has_text_for_a_time or not isinstance(count, int)


async def _notice(message: Poisoned, clients: Clients) -> None:
    request = parse(message.text, message.id)
    if isinstance(request, InvalidRequest):
        if cannot_be_delivered(message.text) and _is_recent(message, clients):
            await _refuse(message, request, clients)
        return
    try:
        await _meet(message, request, clients)
    except UnreadableRecordError:
        return  # the tick reports it


async def _meet(message: Poisoned, request: CancelRequest, clients: Clients) -> None:
    record = await clients.ledger.find(request.request_id)
    if record is None:
        # An id that follows from the message cannot be told: in this queue it has a new one.
        has_no_id = request.request_id == f"msg-{message.id}"
        log.event(
            logger, "poison.unclaimed", logging.ERROR, messageId=message.id,
            requestId=None if has_no_id else request.request_id, offerId=request.offer_id,
            correlationId=request.correlation_id, traceparent=request.traceparent,
        )  # fmt: skip
    elif (
        record.status.is_final
        and not request_id_conflict(record, request)
        and _is_recent(message, clients)
    ):
        await clients.outcomes.report(record)


async def _refuse(message: Poisoned, request: InvalidRequest, clients: Clients) -> None:
    telemetry.ended("rejected", request.error.code)
    refusal = Refusal(
        message_id=message.id,
        text=message.text,
        request_id=request.request_id,
        publisher_id=request.publisher_id,
        offer_id=request.offer_id,
        correlation_id=request.correlation_id,
        traceparent=request.traceparent,
        requested_at=message.since or clients.clock(),
        error=request.error,
    )
    await clients.outcomes.refuse(refusal, clients.clock())


def _is_recent(message: Poisoned, clients: Clients) -> bool:
    return message.since is None or clients.clock() - message.since < REPORT_WITHIN
