"""The host's log on standard error: a line per record, its extra fields as key=value."""

import json
import logging
import time

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class LineFormatter(logging.Formatter):
    """Time, level, logger, message, fields; a traceback follows on lines of its own."""

    def __init__(self) -> None:
        super().__init__(
            "{asctime}.{msecs:03.0f}Z {levelname:<7} {name} {message}", "%Y-%m-%dT%H:%M:%S", "{"
        )
        self.converter = time.gmtime

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base class's name
        """Return the record's line, without the traceback."""
        fields = {name: value for name, value in vars(record).items() if name not in _OWN}
        line = super().formatMessage(record)
        # A message of several lines must not look like several records.
        line = line.replace("\n", "\\n")
        return " ".join([line, *(f"{name}={_text(value)}" for name, value in fields.items())])


def configure_logging() -> None:
    """Log everything from INFO on, but of the Azure clients only what needs attention."""
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)
    logging.getLogger("azure").setLevel(logging.WARNING)


def _text(value: object) -> str:
    text = str(value)
    return text if text.isprintable() and not set(text) & set(' "=') and text else json.dumps(text)
