"""The stack as a whole, with a small app in the place of the real one."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from azure.storage.queue.aio import QueueClient
from pydantic.fields import FieldInfo

from local import stack as stack_module
from local.azurite import Azurite
from local.stack import ROOT, Stack
from offer_cancellation.settings import Settings

APP = """
import logging, os
import azure.functions as func

app = func.FunctionApp()

@app.function_name("echo")
@app.queue_trigger(arg_name="message", queue_name="cancel-requests", connection="CANCEL_STORAGE")
async def echo(message: func.QueueMessage) -> None:
    fields = {name: os.environ.get(name) for name in ("PARTNER_API_URL", "CANCEL_STRAY", "MINE")}
    logging.getLogger("echo").info("echoed", extra={"text": message.get_body().decode(), **fields})
"""

HOST_JSON = """
{"version": "2.0", "extensions": {"queues": {"messageEncoding": "none",
 "maxPollingInterval": "00:00:00.1"}}}
"""


@pytest.fixture
def app_directory(tmp_path: Path) -> Path:
    """A folder with an app that logs what it gets."""
    (tmp_path / "function_app.py").write_text(APP)
    (tmp_path / "host.json").write_text(HOST_JSON)
    return tmp_path


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await condition():  # noqa: ASYNC110 - other processes set no event
            await asyncio.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False

    return True


@pytest.mark.parametrize("managed_identity", [False, True])
async def test_the_app_runs_on_the_stack(
    app_directory: Path, monkeypatch: pytest.MonkeyPatch, managed_identity: bool
) -> None:
    """A message reaches the app, by key and by identity; only the stack's settings reach it."""
    monkeypatch.setenv("CANCEL_STRAY", "from the developer's shell")

    async with Stack(
        {"MINE": "yes"},
        managed_identity=managed_identity,
        directory=app_directory,
        app_directory=app_directory,
    ) as stack:
        await stack.requests.send_message("hello")

        async def echoed() -> bool:
            return "echoed" in stack.log_path.read_text()

        await _until(echoed)
        expected = (
            f"echoed text=hello PARTNER_API_URL={stack.portal.url} CANCEL_STRAY=None MINE=yes"
        )
        asked = stack.identity.requests

    assert expected in stack.log_path.read_text()
    assert managed_identity == (asked > 0)
    assert 0 == stack.host.returncode


async def test_a_host_that_does_not_start_shows_why(app_directory: Path) -> None:
    """What the app says when it refuses to start is in the error, and nothing is left running."""
    (app_directory / "function_app.py").write_text('raise ValueError("a setting is wrong")')

    with pytest.raises(RuntimeError, match="a setting is wrong"):
        async with Stack(directory=app_directory, app_directory=app_directory):
            pytest.fail("the stack came up")


async def test_leaving_by_an_exception_leaves_no_process(app_directory: Path) -> None:
    """Whatever ends the block, host and emulator are gone afterwards."""
    stack = Stack(directory=app_directory, app_directory=app_directory)

    with pytest.raises(KeyError):
        async with stack:
            raise KeyError

    assert not stack.host.running
    with pytest.raises(OSError, match="Connect"):
        await asyncio.open_connection("127.0.0.1", urlsplit(stack.azurite.queue_uri).port)


async def test_a_host_that_ends_by_itself_is_started_again(app_directory: Path) -> None:
    """As the platform does it, whatever it ended of; one that was stopped stays stopped."""
    async with Stack(directory=app_directory, app_directory=app_directory) as stack:
        first = stack.host.pid
        os.kill(first, signal.SIGKILL)

        async def echoed() -> bool:
            return "echoed text=again" in stack.log_path.read_text()

        await stack.requests.send_message("again")
        await _until(echoed)
        assert first != stack.host.pid
        stack.check()

        await stack.host.stop()
        assert not stack.host.ended_by_itself


async def test_a_host_that_does_not_start_again_is_reported(app_directory: Path) -> None:
    """The stack gives up on it, and says why to who asks."""
    async with Stack(directory=app_directory, app_directory=app_directory) as stack:
        (app_directory / "function_app.py").write_text('raise ValueError("now it is wrong")')
        os.kill(stack.host.pid, signal.SIGKILL)

        async def is_reported() -> bool:
            try:
                stack.check()
            except RuntimeError as error:
                return "now it is wrong" in str(error)

            return False

        await _until(is_reported)


async def test_children_do_not_survive_a_killed_parent(app_directory: Path) -> None:
    """Host and emulator end by themselves when their owner dies without a word."""
    script = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from local.stack import Stack\n"
        "async def main():\n"
        "    here = Path(sys.argv[1])\n"
        "    async with Stack(directory=here, app_directory=here) as stack:\n"
        "        print(stack.host.pid, stack.azurite.pid, flush=True)\n"
        "        await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        script,
        str(app_directory),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        # What it cannot remove any more is left where pytest tidies up.
        env={**os.environ, "TMPDIR": str(app_directory)},
    )
    assert parent.stdout is not None
    pids = [int(pid) for pid in (await parent.stdout.readline()).split()]
    parent.kill()
    await parent.wait()

    async def gone() -> bool:
        return not any(_alive(pid) for pid in pids)

    assert 2 == len(pids)
    await _until(gone)


async def test_azurite_restarts_on_its_ports_with_its_data(tmp_path: Path) -> None:
    """With a location, messages are there again after a stop and a start, at the same address."""
    async with Azurite(tmp_path) as azurite:
        before = azurite.connection_string
        async with QueueClient.from_connection_string(before, "kept") as queue:
            await queue.create_queue()
            await queue.send_message("still here")

        await azurite.stop()
        await azurite.start()
        async with QueueClient.from_connection_string(azurite.connection_string, "kept") as queue:
            (message,) = await queue.peek_messages()

        assert before == azurite.connection_string
        assert "still here" == message.content


@pytest.mark.parametrize("field", Settings.model_fields.values(), ids=lambda field: field.alias)
def test_no_setting_of_the_developers_shell_reaches_the_app(field: FieldInfo) -> None:
    """Every setting is kept out by its prefix, those that a test did not think of included."""
    assert str(field.alias).startswith(stack_module._OURS)
