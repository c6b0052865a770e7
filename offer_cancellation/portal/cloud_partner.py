"""Cancels what runs for an offer at the Cloud Partner Portal API: the first generation."""

import json
import math
from collections.abc import Callable
from datetime import datetime

from offer_cancellation.ledger.record import Record
from offer_cancellation.portal.answer import Reply
from offer_cancellation.portal.client import ApiClient, Call, count_poll
from offer_cancellation.portal.cloud_partner_answers import (
    interpret_guard,
    interpret_look,
    interpret_poll,
    interpret_post,
)
from offer_cancellation.portal.decision import (
    NO_TIME,
    Accept,
    Defer,
    Done,
    Pending,
    Proceed,
    identified,
)
from offer_cancellation.portal.location import Untrusted, resolve
from offer_cancellation.portal.look import Look, look
from offer_cancellation.portal.operation import is_id
from offer_cancellation.portal.segment import segment
from offer_cancellation.settings import Settings
from offer_cancellation.status import Ending


class CloudPartnerApi:
    """The calls of the API, and what their answers mean."""

    def __init__(
        self, client: ApiClient, settings: Settings, clock: Callable[[], datetime]
    ) -> None:
        self._client = client
        self._settings = settings
        self._clock = clock

    # What a request needs.

    async def look(self, record: Record, has_time: Callable[[], bool]) -> Proceed | Ending | Defer:
        """What the guard says; without one, what a look says after an uncertain attempt."""
        if record.operation_id:
            if not has_time():
                return NO_TIME

            reply = await self.operation(record, record.operation_id)
            return identified(interpret_guard(reply, self._clock()), reply)

        if not record.uncertain:
            return Proceed()

        found = await look(self, record, has_time=has_time)
        return identified(interpret_look(found, self._clock()), found.reply)

    async def cancel(self, record: Record, has_time: Callable[[], bool]) -> Accept | Ending | Defer:
        """Posts the cancellation: `POST …/offers/<offerId>/cancel`."""
        del has_time  # one call, for which there is time
        emails = record.notification_emails
        body = {"metadata": {"notification-emails": emails} if emails else {}}
        headers = {"Content-Type": "application/json"}
        if self._settings.api_if_match:
            headers["If-Match"] = self._settings.api_if_match

        call = Call(
            "POST",
            "cancel",
            self._target(record, "cancel"),
            headers=headers,
            content=json.dumps(body).encode(),
            unpooled=record.uncertain or record.operation_id is not None,
        )
        reply = await self._client.call(call)
        settings = self._settings

        decision = interpret_post(
            reply, record, self._clock(), settings.poll_grace, settings.api_version
        )

        return identified(decision, reply)

    async def poll(self, record: Record, start_by: float) -> Pending | Done:
        """Reads the record's location, or looks at its offer without one."""
        settings = self._settings
        reply: Reply | Look
        if record.location is None:
            reply = await look(self, record, start_by=start_by)
        else:
            # Judged again: a row can be edited.
            location = resolve(record.location, self._client.url("/api/"), settings.api_version)
            if isinstance(location, Untrusted):
                return Done(location.ending(), polls=0)

            reply = await self._client.call(Call("GET", "location", location.target, start_by))

        last = reply.reply if isinstance(reply, Look) else reply
        count_poll(last)
        found = interpret_poll(
            reply, record, self._clock(), settings.poll_grace, settings.api_version
        )

        return identified(Done(found) if isinstance(found, Ending) else found, last)

    async def close(self) -> None:
        """Closes its connections."""
        await self._client.close()

    # What a look reads.

    async def operation(
        self, record: Record, operation_id: str, start_by: float = math.inf
    ) -> Reply:
        """Reads one operation of an offer: `GET …/operations/<operationId>`.

        Raises ValueError for what is not an id: a row can be edited.
        """
        if not is_id(operation_id):
            raise ValueError(f"{operation_id!r} is not the id of an operation")

        target = self._target(record, f"operations/{operation_id}")

        return await self._client.call(Call("GET", "operation", target, start_by))

    async def running(self, record: Record, start_by: float = math.inf) -> Reply:
        """Lists what runs for an offer: `GET …/submissions/?status=running`."""
        target = f"{self._target(record, 'submissions/')}&status=running"

        return await self._client.call(Call("GET", "submissions", target, start_by))

    async def submissions(self, record: Record, start_by: float = math.inf) -> Reply:
        """Lists an offer's operations: `GET …/submissions/`."""
        target = self._target(record, "submissions/")

        return await self._client.call(Call("GET", "submissions", target, start_by))

    def _target(self, record: Record, name: str) -> str:
        """Path and query below an offer. Raises ValueError where the record names none."""
        publisher, offer = segment(record, "publisher_id"), segment(record, "offer_id")
        version = self._settings.api_version

        return f"/api/publishers/{publisher}/offers/{offer}/{name}?api-version={version}"
