"""What the host finds in the app."""

import importlib
import json

import pytest


def test_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exactly two functions: one on the request queue, one on the schedule."""
    monkeypatch.setenv("CANCEL_STORAGE", "UseDevelopmentStorage=true")
    app = importlib.import_module("function_app").app

    found = {
        one.get_function_name(): json.loads(str(one))["bindings"] for one in app.get_functions()
    }

    queue = {"type": "queueTrigger", "direction": "IN", "name": "message"}
    timer = {"type": "timerTrigger", "direction": "IN", "name": "timer"}
    assert {
        "cancel_trigger": [
            {**queue, "queueName": "cancel-requests", "connection": "CANCEL_STORAGE"}
        ],
        "poll_timer": [{**timer, "schedule": "*/30 * * * * *"}],
    } == found
