"""Everything that was logged and stored, searched for what must never be there."""

import logging
import re
import traceback

from azure.core.exceptions import ResourceNotFoundError

from tests.integration.harness import Harness

TOKEN = re.compile(r"eyJ[\w-]{8,}\.[\w-]{8,}|(?i:bearer) +(?!\*\*\*)[\w-]*\d|[?&]sig=(?!\*\*\*)")
QUERY = re.compile(r"\?[\w$-]+=|api-version")
EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.\w")
_OF_THE_SERVERS = ("aiohttp.server", "aiohttp.access", "local")  # the tests' own, not the app's


class LogRecords(logging.Handler):
    """Keeps what was logged, fields and tracebacks included, as text."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """One record, as a formatter of any kind could print it."""
        if record.name.startswith(_OF_THE_SERVERS):
            return
        fault = record.exc_info[1] if record.exc_info else None
        trace = "".join(traceback.format_exception(fault)) if fault else ""
        self.texts.append(f"{record.getMessage()} {vars(record)} {trace}")

    def secrets(self) -> list[str]:
        """The texts that hold a token, a query string, or an e-mail address."""
        return [text for text in self.texts if any(p.search(text) for p in (TOKEN, QUERY, EMAIL))]


async def tokens_stored(harness: Harness) -> list[str]:
    """The rows and messages that hold a token; rejected originals are kept as they came."""
    texts = await harness.waiting()
    texts += [str(event) for event in await harness.outcomes()]
    try:
        texts += [str(dict(row)) async for row in harness.table.list_entities()]
    except ResourceNotFoundError:
        pass  # nothing was ever written
    return [text for text in texts if TOKEN.search(text)]
