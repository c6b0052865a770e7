"""Bounds a call of a storage SDK in time, and turns whatever it raises into a StorageError.

The SDKs raise more than their own errors: parser, index and attribute errors when an answer is
odd. A time-out of theirs counts from byte to byte, so an answer that trickles has none.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError

from offer_cancellation.errors import LostUpdateError, StorageError, UnreadableRecordError

CALL_SECONDS = 75.0  # three tries, each 10 s to connect and 10 s to read, and the waits between
_OWN = (StorageError, LostUpdateError, UnreadableRecordError)
_SILENCE = (ServiceRequestError, ServiceResponseError, TimeoutError)
_OUTAGES = (401, 403, 404, 408, 429)  # besides 5xx and what has no status at all


@asynccontextmanager
async def storage_call(what: str) -> AsyncIterator[None]:
    """Bounds the block, and raises whatever leaves it as a StorageError."""
    try:
        async with asyncio.timeout(CALL_SECONDS):
            yield
    except _OWN:
        raise
    except Exception as error:
        raise StorageError(f"{what} failed: {type(error).__name__}", _status_of(error)) from error


def is_outage(error: StorageError) -> bool:
    """Whether the place is away, or answers nonsense, rather than refusing what was sent to it."""
    status = error.status

    return status is None or status < 400 or status in _OUTAGES or status >= 500


def is_unclear(error: StorageError) -> bool:
    """Whether there was an answer that does not say what became of the call."""
    is_told = error.status is not None and error.status >= 400

    return not is_told and not isinstance(error.__cause__, _SILENCE)


def _status_of(error: BaseException | None) -> int | None:
    """The HTTP status of an error, or of the one that it was raised for."""
    seen = set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, HttpResponseError) and error.status_code:
            return error.status_code
        inner = getattr(error, "inner_exception", None)
        error = error.__cause__ or inner or error.__context__

    return None
