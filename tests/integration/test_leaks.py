"""The search for secrets finds them: it stands behind every other test here."""

import logging
from collections.abc import Iterator

import pytest
from azure.data.tables import UpdateMode

from tests.integration.harness import Harness, MakeHarness
from tests.integration.leaks import LogRecords, tokens_stored

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJhdWQiOiJodHRwczovL2Nsb3VkIn0.c2lnbmF0dXJl"


@pytest.fixture
def records() -> Iterator[LogRecords]:
    """A collection of log records of its own."""
    records, logger = LogRecords(), logging.getLogger("tests.leaks")
    logger.addHandler(records)
    logger.propagate = False
    yield records
    logger.removeHandler(records)


@pytest.mark.parametrize(
    "text", [TOKEN, "GET /api/x?api-version=2017-10-31", "?sig=abc", "to jane@contoso.com"]
)
def test_secrets_in_logs_are_found(records: LogRecords, text: str) -> None:
    """In a message, in a field, and in a traceback."""
    logger = logging.getLogger("tests.leaks")
    logger.error("in the message: %s", text)
    logger.error("in a field", extra={"detail": text})
    try:
        int(text)  # its error quotes the text
    except ValueError:
        logger.exception("in a traceback")
    logger.error("nothing here")
    assert 3 == len(records.secrets())


async def test_an_app_quiets_the_libraries(make_harness: MakeHarness) -> None:
    """Loggers that print whole URLs are silent once the app has its clients."""
    loggers = [logging.getLogger(name) for name in ("azure", "httpx")]
    for logger in loggers:
        logger.setLevel(logging.NOTSET)

    make_harness()

    assert [False, False] == [logger.isEnabledFor(logging.INFO) for logger in loggers]


async def test_tokens_in_storage_are_found(harness: Harness) -> None:
    """In a row."""
    await harness.submit()
    row = await harness.record()
    await harness.table.update_entity({**row, "CorrelationId": TOKEN})
    assert 1 == len(await tokens_stored(harness))
    await harness.table.update_entity(row, mode=UpdateMode.REPLACE)
