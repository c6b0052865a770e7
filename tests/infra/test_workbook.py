"""The workbook: a document that the portal opens, and the questions that it answers."""

import re
import uuid
from collections import Counter
from typing import Any

from offer_cancellation.ledger.keys import BUCKETS
from tests.infra.files import resource
from tests.infra.kql_queries import items, queries, readings, workbook
from tests.storage_requests import A_DEFERRAL, A_POLL, A_REQUEST

VERSIONS = {3: "KqlItem/1.0", 9: "KqlParameterItem/1.0", 12: "NotebookGroup/1.0"}
CHARTS = {"barchart", "table", "timechart"}
SECTIONS = [
    "Requests by outcome",
    "Pending requests",
    "The API",
    "Deferrals and throttling",
    "Given up and rejected",
    "What costs",
    "One request's life",
]
TIME, TEXT = 4, 1


def of_type(kind: int) -> list[dict[str, Any]]:
    """The items of a kind: 1 text, 3 query, 9 parameters, 12 group."""
    return [item for item in items() if item["type"] == kind]


def parameters() -> dict[str, dict[str, Any]]:
    """The parameters by their names."""
    return {one["name"]: one for item in of_type(9) for one in item["content"]["parameters"]}


def test_it_is_a_workbook() -> None:
    """Version and kinds of items are those that the portal knows."""
    assert "Notebook/1.0" == workbook()["version"]
    assert {1, *VERSIONS} == {item["type"] for item in items()}
    assert [] == [
        item["name"]
        for item in items()
        if item["content"].get("version") != VERSIONS.get(item["type"])
    ]
    assert [] == [item["name"] for item in of_type(1) if not item["content"]["json"].strip()]


def test_it_is_deployed_on_application_insights() -> None:
    """The file is the workbook's content, and its queries are asked of the component."""
    found = resource("workbook", "workbook")
    load = found["properties"]["serializedData"]["function"]
    assert ("load_text_content", "./workbook.json") == (
        load["type"],
        load["parameters"]["file_path"],
    )
    assert ("shared", "applicationInsightsId") == (found["kind"], found["properties"]["sourceId"])


def test_every_query_is_asked_of_application_insights_for_the_chosen_time() -> None:
    """Each query says which kind of resource it is for, and takes its time from the parameter."""
    for item in of_type(3):
        content = item["content"]
        assert (0, "microsoft.insights/components", "TimeRange") == (
            content["queryType"],
            content["resourceType"],
            content["timeContextFromParameter"],
        ), item["name"]
        assert content["visualization"] in CHARTS, item["name"]
        assert content["title"], item["name"]


def test_items_and_parameters_are_told_apart() -> None:
    """Names and ids are unique, and ids are GUIDs."""
    names = Counter(item["name"] for item in items())
    ids = Counter(one["id"] for one in parameters().values())
    assert [] == [name for name, times in (names + ids).items() if times > 1]
    assert list(ids) == [str(uuid.UUID(one)) for one in ids]


def test_every_parameter_exists_and_is_used() -> None:
    """A query refers to no parameter that nobody can set, and none is there for nothing."""
    used = {
        name
        for item in of_type(3)
        for name in re.findall(r"\{(\w+)(?::\w+)?\}", item["content"]["query"])
    }
    assert used == set(parameters())
    kinds = {name: one["type"] for name, one in parameters().items()}
    assert {"TimeRange": TIME, "RequestId": TEXT, "OfferId": TEXT, "CorrelationId": TEXT} == kinds


def test_every_question_has_its_section() -> None:
    """Outcomes, pending, API, deferrals, side queues, costs and one request, each with queries."""
    groups = {item["content"]["title"]: item["content"]["items"] for item in of_type(12)}
    assert SECTIONS == list(groups)
    assert [] == [title for title, found in groups.items() if not of_queries(found)]
    in_groups = sum(len(of_queries(found)) for found in groups.values())
    assert in_groups == len(of_type(3))


def test_a_requests_life_is_whole_and_in_order() -> None:
    """The drill-down reads events, steps, calls and exceptions, and sorts them by time."""
    life = readings()["life-events"]
    assert {"traces", "requests", "dependencies", "exceptions"} == set(life.tables)
    assert {"timestamp", "requestId", "entry", "what", "detail"} <= set(life.columns)
    assert "| order by timestamp asc\n| take 1000" in queries()["life-events"]


def test_one_request_is_found_by_each_of_its_ids() -> None:
    """Request id, offer and correlation id are compared, each where it is given."""
    for name in ("life-requests", "life-events"):
        for column in ("requestId", "offerId", "correlationId"):
            short = column.removesuffix("Id")
            assert f"| where isempty({short}) or {column} == {short}\n" in queries()[name]


def test_nothing_is_shown_of_everybody_when_no_id_is_given() -> None:
    """Without an id the drill-down is empty."""
    for name in ("life-requests", "life-events"):
        assert "isnotempty(strcat(request, offer, correlation))" in queries()[name]


def test_a_ticks_storage_requests_are_counted_as_the_code_makes_them() -> None:
    """A tick reads each bucket, receives from the poison queue, and makes the request queue."""
    requests = len(BUCKETS) + 2
    for name in ("costs-work", "costs-storage"):
        assert f'"offer_cancellation.tick.duration", {requests},' in queries()[name]


def test_storage_requests_are_those_that_were_counted() -> None:
    """The other factors are those of the integration test that counts what passes."""
    for name in ("costs-work", "costs-storage"):
        assert f'"offer_cancellation.requests", {A_REQUEST},' in queries()[name]
        assert f'"offer_cancellation.polls", {A_POLL},' in queries()[name]
        assert f" {A_DEFERRAL}" in queries()[name]


def of_queries(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The queries among items."""
    return [item for item in items(found) if item["type"] == 3]
