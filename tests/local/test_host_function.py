"""How the host calls a function, connects to a queue service, and writes its log."""

import logging
import threading

import azure.functions as func
import pytest
from azure.functions.meta import Datum

from local.host.connection import open_queue_service
from local.host.function import UserFunction
from local.host.log import LineFormatter

TEXT, METADATA = Datum("input", "string"), {"DequeueCount": Datum("1", "json")}


async def test_an_async_function_runs_on_the_loop_and_a_sync_one_beside_it() -> None:
    """Both kinds get the input by the name of their parameter; neither blocks the other."""
    threads: list[threading.Thread] = []

    async def on_loop(given: func.QueueMessage) -> None:
        assert b"input" == given.get_body()
        threads.append(threading.current_thread())

    def beside(given: func.QueueMessage) -> None:
        assert b"input" == given.get_body()
        threads.append(threading.current_thread())

    assert await UserFunction("f", "given", on_loop).invoke(TEXT, METADATA)
    assert await UserFunction("f", "given", beside).invoke(TEXT, METADATA)
    assert threading.current_thread() is threads[0]
    assert threading.current_thread() is not threads[1]


async def test_a_function_that_raises_has_failed(caplog: pytest.LogCaptureFixture) -> None:
    """What a function raises is logged with its traceback and ends the invocation only."""

    async def broken(_given: func.QueueMessage) -> None:
        raise LookupError("gone")

    assert not await UserFunction("f", "_given", broken).invoke(TEXT, METADATA)
    assert ["function.failed"] == caplog.messages
    assert "LookupError: gone" in caplog.text


@pytest.mark.parametrize(
    ("environment", "fault"),
    [
        ({}, "STORE"),
        ({"STORE__queueServiceUri": "https://store.example"}, "STORE__credential"),
    ],
)
async def test_an_incomplete_connection_is_named(environment: dict[str, str], fault: str) -> None:
    """A connection that cannot be resolved says which setting is missing."""
    with pytest.raises(ValueError, match=fault):
        async with open_queue_service("STORE", environment):
            pytest.fail("it was opened")


async def test_the_well_known_short_form_is_the_emulator() -> None:
    """UseDevelopmentStorage=true means Azurite on its usual port."""
    async with open_queue_service("STORE", {"STORE": "UseDevelopmentStorage=true"}) as service:
        assert "http://127.0.0.1:10001/devstoreaccount1/" == service.url


async def test_the_identity_based_form_opens_without_a_key() -> None:
    """The service URI and managedidentity are enough; nothing is asked before it is used."""
    environment = {
        "STORE__queueServiceUri": "https://store.queue.core.windows.net",
        "STORE__credential": "managedidentity",
        "STORE__clientId": "some-client",
    }

    async with open_queue_service("STORE", environment) as service:
        assert "https://store.queue.core.windows.net/" == service.url


def test_a_log_record_is_one_line_with_its_fields() -> None:
    """Fields given as `extra` follow the message; what would break the line is quoted."""
    record = logging.makeLogRecord(
        {"name": "app", "levelname": "INFO", "msg": "cancel.accepted", "created": 0.5}
        | {"offer_id": "vm", "text": "two\nlines", "count": 3, "empty": ""}
    )

    line = LineFormatter().format(record)

    expected = 'INFO    app cancel.accepted offer_id=vm text="two\\nlines" count=3 empty=""'
    assert line.startswith("1970-01-01T00:00:00.")
    assert line.endswith(f"Z {expected}")
