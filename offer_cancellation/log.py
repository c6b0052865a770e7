"""Log records: a constant event name and fields, never a sentence.

Fields travel in `extra`, where OpenTelemetry and a formatter find them. E-mail addresses are
masked here; tokens and query strings are never handed in.
"""

import logging
import traceback

from offer_cancellation.text import without_emails

_MOST_ITEMS = 20  # of a list that is logged
_RESERVED = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


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


def _masked(value: object) -> object:
    if isinstance(value, str):
        return without_emails(value)
    if isinstance(value, list):
        return [_masked(item) for item in value[:_MOST_ITEMS]]
    return value


def fault_fields(fault: BaseException) -> dict[str, str]:
    """An exception as fields: its type and where it came from.

    Its text is left out: it may quote what was sent or received.
    """
    frames = traceback.extract_tb(fault.__traceback__)
    where = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames[-6:]))
    return {"fault": type(fault).__name__, "where": where}


def quiet_libraries() -> None:
    """Silences loggers that print whole URLs, query included, at INFO."""
    for name in ("httpx", "azure", "azure.core.pipeline.policies.http_logging_policy"):
        logging.getLogger(name).setLevel(logging.WARNING)
