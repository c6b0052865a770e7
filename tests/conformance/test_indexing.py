"""What the worker announces to the host when it has indexed the app."""

import pytest

from tests.conformance.app_site import SETTINGS, Site
from tests.conformance.probing import probe

QUEUE_TRIGGER = {
    "name": "message",
    "type": "queueTrigger",
    "direction": "IN",
    "queueName": "cancel-requests",
    "connection": "CANCEL_STORAGE",
}
TIMER_TRIGGER = {
    "name": "timer",
    "type": "timerTrigger",
    "direction": "IN",
    "schedule": "*/30 * * * * *",
}
STORAGE = {"CANCEL_STORAGE": "UseDevelopmentStorage=true"}


def test_with_default_settings_there_are_the_two_functions_and_no_other() -> None:
    """The queue and the schedule that the README promises, and one binding each."""
    found = probe(STORAGE)

    assert found == {"triggers": {"cancel_trigger": QUEUE_TRIGGER, "poll_timer": TIMER_TRIGGER}}


async def test_settings_reach_the_bindings(site: Site) -> None:
    """Queue and schedule are literals from the settings; the connection stays a name."""
    triggers = {name: function.trigger for name, function in site.worker.functions.items()}

    assert triggers == {
        "cancel_trigger": {**QUEUE_TRIGGER, "queueName": SETTINGS["CANCEL_QUEUE"]},
        "poll_timer": {**TIMER_TRIGGER, "schedule": SETTINGS["POLL_SCHEDULE"]},
    }


def test_an_identity_based_connection_changes_no_binding() -> None:
    """The host resolves CANCEL_STORAGE itself: the same name serves both forms."""
    found = probe(
        {
            "CANCEL_STORAGE__queueServiceUri": "https://store.queue.core.windows.net",
            "CANCEL_STORAGE__tableServiceUri": "https://store.table.core.windows.net",
            "CANCEL_STORAGE__credential": "managedidentity",
        }
    )

    assert QUEUE_TRIGGER == found["triggers"]["cancel_trigger"]


@pytest.mark.parametrize(
    ("settings", "messages"),
    [
        ({}, ["CANCEL_STORAGE__queueServiceUri is missing", "CANCEL_STORAGE__tableServiceUri is"]),
        ({**STORAGE, "CANCEL_QUEUE": "Bad_Name"}, ["CANCEL_QUEUE is 'Bad_Name': allowed is 3 to"]),
        (
            {**STORAGE, "POLL_SCHEDULE": "* * * * *", "PARTNER_API_URL": "http://example.com"},
            ["POLL_SCHEDULE is '* * * * *': allowed is an NC", "PARTNER_API_URL is 'http://exam"],
        ),
    ],
)
def test_wrong_settings_fail_indexing(settings: dict[str, str], messages: list[str]) -> None:
    """The host's log then names every wrong setting, its value and what is allowed."""
    found = probe(settings)

    assert ["refused"] == list(found)
    assert found["refused"].startswith("SettingsError: wrong settings:\n- ")
    assert [] == [part for part in messages if part not in found["refused"]]


def test_a_refusal_shows_no_secret() -> None:
    """A connection string that is none may still hold a key."""
    found = probe({"CANCEL_STORAGE": "Key=hunter2"})

    assert "CANCEL_STORAGE is not a valid connection string" in found["refused"]
    assert "hunter2" not in found["refused"]
