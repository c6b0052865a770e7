"""Every log query resolves against the tables, and names only what the code emits."""

import json
import re
from dataclasses import replace
from functools import cache

import pytest

from offer_cancellation.portal.answer import Cause
from offer_cancellation.status import Status
from tests.infra import emitted_names, kql_queries
from tests.infra.files import ROOT
from tests.infra.kql_queries import Reading, readings, resolve

PREFIX = "offer_cancellation."
KINDS = {"customMetrics", "dependencies", "exceptions", "requests", "traces"}

WRONG = {
    "a column of the workspace's table": "customMetrics | where Name == 'x'",
    "a column that was not kept": "traces | project message | where severityLevel > 1",
    "the workspace's table": "AppMetrics | take 1",
    "a table that does not exist": "customMetric | count",
    "a function that does not exist": "traces | extend x = tostrings(message)",
    "a text where a number is needed": "customMetrics | summarize sum(name)",
    "a missing bracket": "traces | where (message == 'x'",
    "an unfilled parameter": "traces | summarize count() by bin(timestamp, {TimeRange:grain})",
}


@cache
def wrong_readings() -> dict[str, Reading]:
    """What the parser says of the wrong queries, in one process: it takes a second to start."""
    return resolve(WRONG)


def metrics_of(reading: Reading) -> set[str]:
    """The metrics that a query names."""
    return {text for text in reading.literals if text.startswith(PREFIX) and text != PREFIX}


def events_of(reading: Reading) -> set[str]:
    """The log events that a query names."""
    return reading.compared("message")


def unknown_names(reading: Reading) -> set[str]:
    """What a query names of metrics, spans and events that the code does not emit."""
    names = reading.compared("name") - emitted_names.spans() | metrics_of(reading)
    return (names - set(emitted_names.metrics())) | (
        events_of(reading) - set(emitted_names.events())
    )


def unknown_dimensions(reading: Reading) -> set[str]:
    """The dimensions that a query reads, and that nothing of what it asks for carries."""
    carried: set[str] = set()
    for name in metrics_of(reading):
        carried |= emitted_names.metrics().get(name, set())
    if "traces" in reading.tables:
        fields = emitted_names.events()
        for name in events_of(reading) or set(fields):
            carried |= fields.get(name, set())
    if {"requests", "dependencies"} & set(reading.tables):
        carried |= emitted_names.span_attributes()
    return set(reading.dimensions) - carried


def unknown_values(reading: Reading) -> set[str]:
    """The statuses, answers and causes that a query looks for, and that never occur."""
    causes = {cause.value for cause in Cause}
    answers = {text for text in reading.compared("answer") if not text.isdigit()}
    statuses = reading.compared("status") - {status.value for status in Status}
    return statuses | (answers - causes) | (reading.compared("cause") - causes)


@pytest.mark.parametrize("name", sorted(kql_queries.queries()))
def test_every_query_resolves(name: str) -> None:
    """Microsoft's parser has nothing to say against a query: no syntax error, no unknown name."""
    assert [] == readings()[name].diagnostics


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_query_is_noticed(what: str) -> None:
    """Each kind of mistake is an error of the parser."""
    diagnostics = wrong_readings()[what].diagnostics
    assert ["Error"] == sorted({one.split()[0] for one in diagnostics}), what


def test_the_queries_of_the_runbook_are_among_them() -> None:
    """What somebody types who was just paged resolves as well."""
    written = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8").count("```kusto\n")
    told = [name for name in kql_queries.queries() if name.startswith("runbook.md:")]
    assert written
    assert written == len(told)


def test_the_runbook_tells_every_event_of_the_log() -> None:
    """What can stand in the log is in the runbook, and nothing else is."""
    runbook = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    section = runbook.partition("## Events in the log")[2].partition("\n## ")[0]
    told = set(re.findall(r"`([a-z]+\.[a-z_]+)`", section))

    assert told == set(emitted_names.events())


def test_every_query_reads_a_table() -> None:
    """No query was taken for one that asks nothing; together they read all five tables."""
    tables = {name: set(reading.tables) for name, reading in readings().items()}
    assert [] == [name for name, read in tables.items() if not read]
    assert KINDS == set().union(*tables.values())


def test_every_name_is_one_that_the_code_emits() -> None:
    """Metrics, spans and log events in the queries are those of the source."""
    unknown = {name: unknown_names(reading) for name, reading in readings().items()}
    assert {} == {name: names for name, names in unknown.items() if names}


def test_every_dimension_is_one_that_the_code_emits() -> None:
    """What is read of customDimensions belongs to the metric, event or span that is asked for."""
    unknown = {name: unknown_dimensions(reading) for name, reading in readings().items()}
    assert {} == {name: names for name, names in unknown.items() if names}


def test_every_value_that_is_looked_for_occurs() -> None:
    """Statuses, answers and causes are those of the code."""
    unknown = {name: unknown_values(reading) for name, reading in readings().items()}
    assert {} == {name: values for name, values in unknown.items() if values}


def test_every_metric_is_looked_at() -> None:
    """No metric is emitted for nothing: each is in an alert or in the workbook."""
    looked_at = set().union(*(metrics_of(readings()[name]) for name in kql_queries.deployed()))
    assert looked_at == set(emitted_names.metrics())


def test_the_source_was_read() -> None:
    """The log events were found where they are written, each with its fields."""
    events = emitted_names.events()
    assert {"cancel.accepted", "poll.tick", "token.unavailable"} <= set(events)
    assert {"requestId", "cause", "lastMessage"} <= events["cancel.deferred"]
    assert {"messageId", "requestId", "receipts"} <= events["adoption.adopted"]
    assert {"place", "status", "isAway", "fault"} <= events["poll.not_sent"]
    assert {"fault", "where", "scope"} <= events["token.unavailable"]


def test_a_renamed_metric_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A metric that the code calls otherwise, or gives another attribute, fails the check."""
    reading = readings()["api-refuses-the-identity"]
    found = emitted_names.metrics()
    durations = found["offer_cancellation.api.duration"]
    renamed = {f"{name}s": attributes for name, attributes in found.items()}
    monkeypatch.setattr(emitted_names, "metrics", lambda: renamed)
    assert {"offer_cancellation.api.duration"} == unknown_names(reading)
    without = {**found, "offer_cancellation.api.duration": durations - {"answer"}}
    monkeypatch.setattr(emitted_names, "metrics", lambda: without)
    assert {"answer"} == unknown_dimensions(reading)


def test_a_renamed_event_or_field_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event that is no longer logged, or logged without a field, fails the check."""
    reading = readings()["rejection-events"]
    found = emitted_names.events()
    fewer = {name: fields for name, fields in found.items() if name != "adoption.adopted"}
    monkeypatch.setattr(emitted_names, "events", lambda: fewer)
    assert {"adoption.adopted"} == unknown_names(reading)
    without = {**found, "cancel.invalid": found["cancel.invalid"] - {"fields"}}
    monkeypatch.setattr(emitted_names, "events", lambda: without)
    assert {"fields"} == unknown_dimensions(reading)


def test_a_value_that_never_occurs_is_noticed() -> None:
    """A status that was misspelt, or an answer that is none, fails the check."""
    reading = readings()["requests-expired"]
    wrong = [("status", ["expire"]), ("tostring(customDimensions.answer)", ["no"])]
    assert {"expire", "no"} == unknown_values(replace(reading, comparisons=wrong))


def test_the_parser_is_pinned_and_comes_from_no_named_registry() -> None:
    """One exact version; the lock file has its hash, and leaves the registry to npm."""
    name = "@kusto/language-service-next"
    asked = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["devDependencies"][name]
    text = (ROOT / "package-lock.json").read_text(encoding="utf-8")
    locked = json.loads(text)["packages"][f"node_modules/{name}"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", asked)
    assert (asked, True) == (locked["version"], locked["integrity"].startswith("sha512-"))
    assert '"resolved"' not in text
