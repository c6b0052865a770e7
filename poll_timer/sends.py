"""Sends for one tick, and stops sending to a place that is away.

Each failed send takes up to 30 s. So after the first one that fails as an outage does, the rest of
the tick only moves due rows on.
"""

import logging
from collections.abc import Awaitable, Callable

from offer_cancellation import log
from offer_cancellation.errors import StorageError
from offer_cancellation.storage import is_outage

logger = logging.getLogger(__name__)


class Sends:
    """The sends of one tick to one place."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._is_away = False

    async def attempt(self, send: Callable[[], Awaitable[None]]) -> bool:
        """Whether it was sent. Never raises: whatever was to be sent is still due."""
        if self._is_away:
            return False
        try:
            await send()
        except StorageError as error:
            self._is_away = self._is_away or is_outage(error)
            self._log(error, status=error.status, isAway=self._is_away)
            return False
        except Exception as bug:  # it counts as something that could not be sent
            self._log(bug)
            return False

        return True

    def _log(self, error: Exception, **fields: object) -> None:
        log.event(
            logger,
            "poll.not_sent",
            logging.ERROR,
            place=self._place,
            **fields,
            **log.fault_fields(error),
        )
