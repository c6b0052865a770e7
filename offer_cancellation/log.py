"""Writes log records: a constant event name and fields, never a sentence.

Fields travel in `extra`, where OpenTelemetry and a formatter find them. Secrets and e-mail
addresses are masked here, in the records of the libraries, too.
"""

import logging
import traceback
from collections.abc import Callable

from offer_cancellation.text import masked

_ITEMS_LIMIT = 20  # of a list that is logged
_RESERVED = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_LIBRARIES = ("azure", "msal", "httpx", "httpcore", "aiohttp", "asyncio")


def event(
    logger: logging.Logger, name: str, level: int = logging.INFO, /, **fields: object
) -> None:
    """Logs `name` with the fields that have a value.

    Raises ValueError for a field that `logging` keeps for itself.
    """
    if clash := _RESERVED & fields.keys():
        raise ValueError(f"log fields {sorted(clash)} are reserved by the logging module")

    if logger.isEnabledFor(level):
        extra = {key: _masked(value) for key, value in fields.items() if value is not None}
        logger.log(level, name, extra=extra)


def fault_fields(fault: BaseException) -> dict[str, str]:
    """An exception as fields: its type and where it came from.

    Its text is left out: it may quote what was sent or received.
    """
    frames = traceback.extract_tb(fault.__traceback__)
    where = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames[-6:]))
    return {"fault": type(fault).__name__, "where": where}


def quiet_libraries() -> None:
    """Silences what prints whole URLs at INFO, and masks what the libraries log above that.

    azure-identity, for one, quotes an identity endpoint's whole reply at WARNING, token and all.
    Calling this again changes nothing.
    """
    for name in ("httpx", "azure"):
        logging.getLogger(name).setLevel(logging.WARNING)

    # Not a filter: a logger's filters do not see the records of its children.
    factory = logging.getLogRecordFactory()
    if not isinstance(factory, _MaskingFactory):
        logging.setLogRecordFactory(_MaskingFactory(factory))


class _MaskingFactory:
    """Makes log records; those of the libraries without secrets and e-mail addresses."""

    def __init__(self, inner: Callable[..., logging.LogRecord]) -> None:
        self._inner = inner

    def __call__(self, *args: object, **kwargs: object) -> logging.LogRecord:
        record = self._inner(*args, **kwargs)
        if (record.name or "").partition(".")[0] not in _LIBRARIES:
            return record

        text = _message(record)
        if record.exc_info and (failure := record.exc_info[1]):
            # Handlers print a traceback in ways of their own: what it says is kept as text.
            text += f"; {type(failure).__name__}: {failure}; {fault_fields(failure)['where']}"
            record.exc_info = None

        record.msg, record.args = masked(text), ()
        return record


def _message(record: logging.LogRecord) -> str:
    """Its text; a library's slip in a log line must not become a fault of its caller."""
    try:
        return record.getMessage()
    except Exception:
        return str(record.msg)


def _masked(value: object) -> object:
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, list):
        return [_masked(item) for item in value[:_ITEMS_LIMIT]]
    return value
