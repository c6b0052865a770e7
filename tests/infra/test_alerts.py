"""The alerts: what fires, when, who is told, and that silence is heard."""

import re
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from croniter import croniter

from offer_cancellation.settings import Settings
from poll_timer.maintenance import PERIOD_SECONDS
from tests.infra.files import INFRA, ROOT, decorator, default, resource, template, texts
from tests.infra.kql_queries import readings, rules

RUNBOOK = ROOT / "docs" / "runbook.md"
SEVERITIES = {
    "poison-queue-does-not-empty": 2,
    "host-gave-messages-up": 2,
    "rejected-originals-kept": 3,
    "oldest-pending-too-old": 2,
    "no-tick": 1,
    "api-refuses-the-identity": 1,
    "requests-expired": 1,
    "bug-ended-requests": 1,
    "deferrals-rising": 2,
}
TELEMETRY_SECONDS = 300  # a metric is exported once a minute, and then takes its time
# Of a day that is looked at, all quarters of an hour but the last.
QUARTERS = 24 * 4 - 1


def rule(name: str) -> dict[str, Any]:
    """One rule by its name."""
    return next(one for one in rules() if one["name"] == name)


def properties() -> dict[str, Any]:
    """What all rules have in common."""
    found: dict[str, Any] = resource("alerts", "alerts")["config"]["properties"]
    return found


def condition() -> dict[str, Any]:
    """The one condition of every rule."""
    (found,) = properties()["criteria"]["allOf"]
    assert isinstance(found, dict)
    return found


def seconds(duration: object) -> int:
    """An ISO 8601 duration of minutes, hours or days."""
    number, unit = re.fullmatch(r"P(?:T)?(\d+)([MHD])", str(duration)).groups()  # type: ignore[union-attr]
    return int(number) * {"M": 60, "H": 3600, "D": 86400}[unit]


def test_there_is_an_alert_for_each_thing_that_goes_wrong() -> None:
    """Nine rules, the graver ones for what stops the work or lost a request."""
    assert SEVERITIES == {one["name"]: one["severity"] for one in rules()}


@pytest.mark.parametrize("name", SEVERITIES)
def test_every_alert_leads_to_a_section_of_the_runbook(name: str) -> None:
    """The fragment that the alert links to is the one that GitHub makes of a heading there."""
    headings = re.findall(r"(?m)^#+ (.*)$", RUNBOOK.read_text(encoding="utf-8"))
    anchors = {re.sub(r"[^\w\- ]", "", one.lower()).strip().replace(" ", "-") for one in headings}
    assert {name} == {name} & anchors


def test_every_alert_says_what_it_means_and_where_help_is() -> None:
    """Description and payload hold the link; the meaning is a sentence."""
    link = "${runbookUrl}#${rule.name}"
    assert "${rule.meaning} What to do: " + link == properties()["description"]
    assert {"runbook": link} == properties()["actions"]["customProperties"]
    sentence = re.compile(r"[A-Z].{40,}\.")
    assert [] == [one["name"] for one in rules() if not sentence.fullmatch(one["meaning"])]
    titles = [one["title"].lower().replace(" ", "-") for one in rules()]
    assert titles == [one["name"] for one in rules()]


def test_a_rule_fires_on_a_row_or_on_a_measure() -> None:
    """Without a measure a row is enough; a measure is a column of what the query returns."""
    measured = {one["name"]: one["measure"] for one in rules() if one["measure"]}
    assert {"oldest-pending-too-old": "minutes", "deferrals-rising": "rising"} == measured
    assert [] == [name for name, one in measured.items() if one not in readings()[name].columns]
    assert {0} == {one["threshold"] for one in rules() if not one["measure"]}
    chosen = condition()["timeAggregation"]["operator"]["operands"]
    assert ("Count", "Maximum") == (chosen["true_value"], chosen["false_value"])
    assert "GreaterThan" == condition()["operator"]


def test_silence_fires_without_any_data() -> None:
    """Ticks are counted without a group, so that nothing gives a row with 0, and 0 fires."""
    silent = rule("no-tick")
    *_, summary, filtered = silent["query"].strip().splitlines()
    assert "| summarize ticks = count()" == summary
    assert "| where ticks == 0" == filtered
    assert "" == silent["measure"]


def test_silence_is_three_periods_and_not_a_false_alarm() -> None:
    """The window covers three periods of the default schedule and the way of the telemetry."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    schedule = str(Settings.model_fields["poll_schedule"].default)
    times = croniter(schedule, start, second_at_beginning=True)
    ticks = [times.get_next(datetime) for _ in range(10)]
    period = max((later - earlier).total_seconds() for earlier, later in pairwise(ticks))
    window = seconds(default("silenceWindow"))
    assert "silence" == rule("no-tick")["window"]
    assert window >= 3 * period + TELEMETRY_SECONDS
    assert window < 3 * period + 2 * TELEMETRY_SECONDS


def test_windows_are_those_that_log_alerts_know() -> None:
    """Each window is at least as long as the time between two looks."""
    windows = {one["window"] for one in rules()} - {"silence"}
    offered = decorator("silenceWindow", "allowed")
    assert isinstance(offered, list)
    assert {"PT15M", "PT30M", "P1D"} == windows
    assert windows <= set(offered)
    assert seconds(properties()["evaluationFrequency"]) <= min(map(seconds, offered))


def test_rising_is_measured_against_the_rest_of_the_day() -> None:
    """The last quarter of an hour is compared with the mean of the others in the window."""
    query = rule("deferrals-rising")["query"]
    assert ["15m", "15m"] == re.findall(r"ago\((\w+)\)", query)
    assert f"earlier / {QUARTERS}\n" in query


def test_bounds_are_parameters() -> None:
    """What is too old and too many can be set, and is told in the alert."""
    for name, bound in (
        ("oldest-pending-too-old", "oldestPendingMinutes"),
        ("deferrals-rising", "deferralsBound"),
    ):
        assert bound == rule(name)["threshold"]
        assert "${" + bound + "}" in rule(name)["meaning"]
    deadline = int(Settings.model_fields["deadline_hours"].default) * 60
    assert int(str(default("oldestPendingMinutes"))) < deadline


def test_alerts_ask_application_insights() -> None:
    """The scope is the component, so the queries' tables are those of its own schema."""
    assert ["applicationInsightsId"] == properties()["scopes"]
    for module in ("alerts", "workbook"):
        given = template("main")["modules"][module]["config"]["params"]["applicationInsightsId"]
        assert {"monitoring", "outputs", "applicationInsightsId"} <= set(texts(given))


def test_alerts_use_nothing_that_alerts_refuse() -> None:
    """Microsoft names what a log alert's query may not hold."""
    refused = re.compile(r"AggregatedValue|bag_unpack|pivot|narrow|\bago\((?!\d+[mhd]\))")
    assert [] == [one["name"] for one in rules() if refused.search(one["query"])]


def test_nobody_is_written_to_unless_named() -> None:
    """Without an address there is no action group; one that exists already can be used."""
    assert ("", "") == (default("alertEmail"), default("alertActionGroupId"))
    group = resource("alerts", "group")
    text = (INFRA / "app" / "alerts.bicep").read_text(encoding="utf-8")
    assert "@2023-01-01' = if (!empty(email)) {" in text
    assert "email" == group["config"]["properties"]["emailReceivers"][0]["emailAddress"]
    assert len(group["config"]["properties"]["groupShortName"]) <= 12


def test_what_can_wait_until_morning_writes_to_nobody() -> None:
    """A rule of severity 3 shows in the portal alone; the others write to the action groups."""
    chosen = (INFRA / "app" / "alerts.bicep").read_text(encoding="utf-8")

    assert "actionGroups: rule.severity < 3 ? groups : []\n" in chosen
    assert ["rejected-originals-kept"] == [one["name"] for one in rules() if one["severity"] >= 3]


def test_the_poison_queue_alerts_only_when_something_stays() -> None:
    """A copy that a tick takes within its minute does not alert; one that three looks met does."""
    stays = rule("poison-queue-does-not-empty")

    assert "| where looks >= 3 and fewest > 0\n" in stays["query"]
    assert seconds(stays["window"]) >= 4 * PERIOD_SECONDS


def test_an_alert_goes_when_its_cause_goes() -> None:
    """Alerts are resolved by themselves, and a first deployment is not held up by validation."""
    assert (True, True) == (properties()["autoMitigate"], properties()["skipQueryValidation"])
