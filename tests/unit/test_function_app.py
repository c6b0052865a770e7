"""What the host finds in the app."""

import json

from function_app import app


def test_functions() -> None:
    """Exactly two functions: one on the request queue, one on the schedule."""
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
