"""Operations as the API lists and describes them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offer_cancellation.portal import operation
from offer_cancellation.portal.answer import Unreadable
from offer_cancellation.portal.operation import (
    Operation,
    ending_of,
    listed,
    operation_of,
    plain_status,
)
from offer_cancellation.status import Ending, Error, Status
from tests.unit.samples import GUID, body_of

RUNNING = Operation("running", GUID, datetime(2030, 1, 31, 11, 59, 0, 123_000, UTC))
DOCUMENTED = Operation(
    "running",
    "bd4ad0f6-2185-49fe-80d2-c4ddf77bb2e8",
    changed_at=datetime(2030, 1, 31, 11, 59, 30, 839_134, UTC),
)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("running", "running"),
        ("Running", "running"),
        (" RUNNING\t", "running"),
        ("not started", "notstarted"),
        ("NotStarted", "notstarted"),
        ("not_started", "notstarted"),
        ("Not-Started", "notstarted"),
        ("waitingForPublisherReview", "waitingforpublisherreview"),
        ("Succeeded!", "succeeded!"),
    ],
)
def test_plain_status(raw: str, expected: str) -> None:
    """Letter case, spaces around and within, `_` and `-` of a status do not matter."""
    assert expected == plain_status(raw)


@given(
    word=st.sampled_from(sorted(operation.KNOWN)),
    cases=st.lists(st.booleans(), min_size=30, max_size=30),
    gaps=st.lists(st.sampled_from(["", " ", "_", "-", "\t", "\u00a0"]), min_size=30, max_size=30),
)
def test_status_words(word: str, cases: list[bool], gaps: list[str]) -> None:
    """However a known status is written, it is known."""
    letters = [c.upper() if upper else c for c, upper in zip(word, cases, strict=False)]
    written = "".join(gap + c for gap, c in zip(gaps, letters, strict=False)) + gaps[-1]
    assert word == plain_status(written)
    found = operation_of({"status": written})
    assert found is not None
    assert (word, written.strip()) == (found.status, found.raw_status)


@given(raw=st.text(st.characters()))
def test_plain_status_is_stable(raw: str) -> None:
    """A status in its plain form stays as it is; other words do not become known ones."""
    plain = plain_status(raw)
    assert plain == plain_status(plain)
    letters = [c for c in raw.lower() if not c.isspace() and c not in "_-"]
    assert (plain in operation.KNOWN) is ("".join(letters) in operation.KNOWN)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(json.loads(body_of("operation_running.json")), id="array of one"),
        pytest.param(json.loads(body_of("operation_running.json"))[0], id="object"),
    ],
)
def test_operation_of(body: object) -> None:
    """An operation is an object with a `status`, or an array whose first element is one."""
    assert RUNNING == operation_of(body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param({"status": "a", "submissionState": "b"}, Operation("a"), id="status first"),
        pytest.param({"submissionState": "b"}, Operation("b"), id="submissionState"),
        pytest.param({"status": None, "submissionState": "b"}, Operation("b"), id="null status"),
        pytest.param([{"status": "a"}, {"status": "b"}], Operation("a"), id="the first of many"),
        pytest.param([], None, id="empty array"),
        pytest.param([[{"status": "a"}]], None, id="array in an array"),
        pytest.param({}, None, id="no status"),
        pytest.param({"status": 7}, None, id="status a number"),
        pytest.param({"status": " "}, None, id="status blank"),
        pytest.param({"value": [{"status": "a"}]}, None, id="wrapped"),
        pytest.param("running", None, id="string"),
        pytest.param(None, None, id="null"),
        pytest.param(Unreadable.BODY, None, id="no JSON"),
    ],
)
def test_operation_of_other_bodies(body: object, expected: Operation | None) -> None:
    """What describes no operation cannot be understood."""
    assert expected == operation_of(body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param([], [], id="empty"),
        pytest.param(
            json.loads(body_of("submissions.json")),
            [DOCUMENTED],
            id="documented",
        ),
        pytest.param(
            [{"status": "a", "submissionState": "b"}, {"status": "c"}],
            [Operation("b"), Operation("c")],
            id="submissionState first",
        ),
        pytest.param({"status": "a"}, [Operation("a")], id="one without a list"),
        pytest.param([{"status": "a"}, {}], None, id="one without a status"),
        pytest.param([{"status": "a"}, "b"], None, id="one that is none"),
        pytest.param({"value": []}, None, id="wrapped"),
        pytest.param("a", None, id="string"),
        pytest.param(None, None, id="null"),
        pytest.param(Unreadable.BODY, None, id="no JSON"),
    ],
)
def test_listed(body: object, expected: list[Operation] | None) -> None:
    """A list is understood as a whole or not at all: what is missing could be running."""
    assert expected == listed(body)


@pytest.mark.parametrize(
    ("given_id", "expected"),
    [
        (GUID, GUID),
        ("contoso$contoso-offer$2$preview", "contoso$contoso-offer$2$preview"),
        ("a.b", "a.b"),
        ("x" * 128, "x" * 128),
        ("x" * 129, None),
        ("..", None),
        (".a", None),
        ("a.", None),
        ("a/b", None),
        ("a%2Fb", None),
        ("a?b", None),
        ("", None),
        (7, None),
        (None, None),
    ],
)
def test_id(given_id: object, expected: str | None) -> None:
    """An id that could lead a path astray is none."""
    assert Operation("a", expected) == operation_of({"status": "a", "id": given_id})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2030-01-31T11:59:30.8391349Z", datetime(2030, 1, 31, 11, 59, 30, 839_134, UTC)),
        ("2030-01-31T12:59:30+01:00", datetime(2030, 1, 31, 11, 59, 30, tzinfo=UTC)),
        (" 2030-01-31T11:59:30 ", datetime(2030, 1, 31, 11, 59, 30, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", None),
        ("0001-01-01T00:00:00Z", None),
        ("1969-12-31T23:59:59Z", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("yesterday", None),
        ("", None),
        (1_900_000_000, None),
        (None, None),
    ],
)
def test_created_at(text: object, expected: datetime | None) -> None:
    """`createdDateTime` is ISO 8601, in UTC where it names no offset; else there is none."""
    found = operation_of({"status": "a", "createdDateTime": text})
    assert Operation("a", created_at=expected) == found
    assert found is not None
    assert not found.created_at or found.created_at.utcoffset() == timedelta(0)


def test_failure() -> None:
    """A failed operation's error and its failing steps' messages come as plain text."""
    found = operation_of(json.loads(body_of("operation_failed.json")))
    assert found is not None
    expected = (
        "PublishFailed: The offer was not published.; Certification: Image is alert(1)too <large>;"
        " Certification: Title is missing; three failed; Contact support."
    )
    assert expected == found.failure


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        pytest.param({}, "", id="nothing"),
        pytest.param({"error": "No."}, "No.", id="error a string"),
        pytest.param({"messages": ["a", 7, None]}, "", id="messages that are none"),
        pytest.param({"messages": [{"messageHtml": 7}, {"level": "error"}]}, "", id="no texts"),
        pytest.param({"messages": {"messageHtml": "a"}}, "", id="messages no array"),
        pytest.param({"steps": [{"status": "failed"}]}, "step failed", id="a nameless step"),
        pytest.param({"steps": [{"status": None}, "a"]}, "", id="steps that are none"),
        pytest.param({"error": "a", "messages": [{"message": "a"}]}, "a", id="said twice"),
        pytest.param({"messages": [{"message": "x" * 2000}]}, "x" * 999 + "…", id="a long message"),
        pytest.param(
            {"messages": [{"message": str(number)} for number in range(99)]},
            "; ".join(str(number) for number in range(49)),
            id="too many",
        ),
    ],
)
def test_failure_of_parts(parts: dict[str, Any], expected: str) -> None:
    """Whatever the API says is found, once, and is bounded."""
    found = operation_of({"status": "failed", **parts})
    assert Operation("failed", failure=expected) == found


NAMES = [
    "id", "status", "submissionState", "createdDateTime", "error", "code", "message",
    "messages", "messageHtml", "steps", "stepName",
]  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(), max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(NAMES),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@given(body=json_values)
def test_reading_never_raises(body: object) -> None:
    """Whatever a body holds, it is an operation with a status, or cannot be understood."""
    found = operation_of(body)
    assert found is None or found.raw_status == found.raw_status.strip() != ""
    items = listed(body)
    assert items is None or all(item.raw_status for item in items)


def test_changed_at() -> None:
    """`changedTime` is read as `createdDateTime` is."""
    found = operation_of({"status": "a", "changedTime": "2030-01-31T12:59:30+01:00"})
    assert found == Operation("a", changed_at=datetime(2030, 1, 31, 11, 59, 30, tzinfo=UTC))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("Completed", Ending(Status.CANCELED, operation_status="Completed")),
        ("cancelled", Ending(Status.CANCELED, operation_status="cancelled")),
        (
            "failed",
            Ending(
                Status.FAILED,
                Error("OperationFailed", "the operation failed and does not say why"),
                operation_status="failed",
            ),
        ),
        ("running", None),
        ("Brewing", None),
    ],
)
def test_ending_of(status: str, expected: Ending | None) -> None:
    """An operation that is done ends the request; any other status does not."""
    assert expected == ending_of(Operation(status))


def test_secrets_are_masked() -> None:
    """Nothing that looks like a secret is kept of an operation."""
    body = {"status": "Bearer abc", "error": {"message": "?sig=abc"}}
    assert Operation("Bearer ***", failure="?sig=***") == operation_of(body)
