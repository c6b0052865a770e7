"""Cancels a submission at Partner Center's submission API: the second generation.

The only DELETE that this code can build is that of a submission, and it goes out only when a look
has just read the submission as `Submitted`: elsewhere on the same API a DELETE removes a product.
"""

import math
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus

from offer_cancellation.ledger.record import Record
from offer_cancellation.portal.answer import Answer, Cause, NoAnswer, Reply
from offer_cancellation.portal.client import ApiClient, Call, count_poll
from offer_cancellation.portal.decision import (
    Accept,
    Defer,
    Done,
    Pending,
    Proceed,
    identified,
)
from offer_cancellation.portal.segment import segment
from offer_cancellation.portal.submission_answers import (
    LOOK_AGAIN,
    Reading,
    interpret_delete,
    interpret_look,
    interpret_look_after,
    interpret_poll,
)
from offer_cancellation.settings import Settings
from offer_cancellation.status import Ending

_BASE = "/v1.0/ingestion"
_NOT_SENT = NoAnswer(Cause.NO_TIME, sent=False)


class SubmissionApi:
    """The calls of the API, and what their answers mean."""

    def __init__(
        self, client: ApiClient, settings: Settings, clock: Callable[[], datetime]
    ) -> None:
        self._client = client
        self._clock = clock
        self._grace = settings.poll_grace
        publisher_id = settings.submission_api_publisher_id
        self._headers = {"x-ms-publisherId": str(publisher_id)} if publisher_id else {}

    async def look(self, record: Record, has_time: Callable[[], bool]) -> Proceed | Ending | Defer:
        """Reads the submission; where it is gone, its product."""
        reading = await self._read(record, has_time=has_time)
        found = interpret_look(reading, record, self._clock(), self._grace)

        return identified(found, reading.last)

    async def cancel(self, record: Record, has_time: Callable[[], bool]) -> Accept | Ending | Defer:
        """Deletes the submission, which was just read as `Submitted`.

        What a refusal means is decided by one more look: in this invocation where there is time,
        else by the next one's.
        """
        call = Call("DELETE", "cancel", _target(record), headers=self._headers, unpooled=True)
        reply = await self._client.call(call)
        if isinstance(reply, Answer) and reply.status in LOOK_AGAIN:
            return await self._look_after(reply, record, has_time)

        return identified(interpret_delete(reply, record, self._clock()), reply)

    async def poll(self, record: Record, start_by: float) -> Pending | Done:
        """Reads the submission; where it is gone, its product."""
        reading = await self._read(record, start_by=start_by)
        count_poll(reading.last)
        found = interpret_poll(reading, record, self._clock(), self._grace)

        return identified(found, reading.last)

    async def close(self) -> None:
        """Closes its connections."""
        await self._client.close()

    async def _look_after(
        self, refusal: Answer, record: Record, has_time: Callable[[], bool]
    ) -> Ending | Defer:
        """What a refused DELETE means."""
        reading = await self._read(record, has_time=has_time)
        again = interpret_look(reading, record, self._clock(), self._grace)
        found = interpret_look_after(again, refusal, record, self._clock(), self._grace)

        return identified(identified(found, refusal), reading.last)

    async def _read(
        self,
        record: Record,
        *,
        start_by: float = math.inf,
        has_time: Callable[[], bool] = lambda: True,
    ) -> Reading:
        """Each call begins by `start_by`, and only while `has_time()`; else it has no answer."""
        if not has_time():
            return Reading(_NOT_SENT)

        reply = await self._get("submission", _target(record), start_by)
        is_missing = isinstance(reply, Answer) and reply.status == HTTPStatus.NOT_FOUND
        if not is_missing:
            return Reading(reply)
        if not has_time():
            return Reading(reply, _NOT_SENT)

        product = f"{_BASE}/products/{segment(record, 'product_id')}"

        return Reading(reply, await self._get("product", product, start_by))

    async def _get(self, operation: str, target: str, start_by: float) -> Reply:
        call = Call("GET", operation, target, start_by, headers=self._headers)

        return await self._client.call(call)


def _target(record: Record) -> str:
    """The path of the record's submission. Raises ValueError where it names none."""
    product, submission = segment(record, "product_id"), segment(record, "submission_id")

    return f"{_BASE}/products/{product}/submissions/{submission}"
