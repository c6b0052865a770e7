"""No URL with an empty or an unexpected segment is ever built, whatever a record holds."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offer_cancellation.ledger.record import Record
from offer_cancellation.portal.answer import Answer, Reply
from offer_cancellation.portal.client import ApiClient, Call
from offer_cancellation.portal.cloud_partner import CloudPartnerApi
from offer_cancellation.portal.decision import Accept, Api, Defer, Proceed
from offer_cancellation.portal.submission_api import SubmissionApi
from offer_cancellation.settings import load
from offer_cancellation.status import Ending
from tests.unit.samples import GUID, NOW, answer, record

SETTINGS = load({"CANCEL_STORAGE": "UseDevelopmentStorage=true"})
NAME = r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*"
OFFER = rf"/api/publishers/{NAME}/offers/{NAME}"
SUBMISSION = r"/v1\.0/ingestion/products/[A-Za-z0-9-]{6,36}/submissions/[0-9]{1,32}"
ALLOWED = [
    ("POST", rf"{OFFER}/cancel\?api-version=2017-10-31"),
    ("GET", rf"{OFFER}/operations/[A-Za-z0-9_$.-]+\?api-version=2017-10-31"),
    ("GET", rf"{OFFER}/submissions/\?api-version=2017-10-31(&status=running)?"),
    ("GET", SUBMISSION),
    ("GET", r"/v1\.0/ingestion/products/[A-Za-z0-9-]{6,36}"),
    ("DELETE", SUBMISSION),
]
SUBMITTED = answer(200, {"state": "InProgress", "substate": "Submitted"})

ids = st.none() | st.text(max_size=12) | st.sampled_from(
    ["", ".", "..", "a/b", "%2e%2e", "contoso", "product-1", "1152921504606846977", "a?b", "a#b",
     "1\n", "products", "a\\b", "a b", "a..b", "a;b", "\u0661"]
)  # fmt: skip
hostile = st.builds(
    record,
    publisher_id=ids,
    offer_id=ids,
    product_id=ids,
    submission_id=ids,
    operation_id=ids,
    uncertain=st.booleans(),
)
replies = st.sampled_from(
    [SUBMITTED, answer(404), answer(409), answer(204), answer(500), answer(200, []),
     answer(200, [{"submissionState": "running", "id": ".."}])]
)  # fmt: skip


class _Recorder:
    """Stands where the client is, and keeps what would have been called."""

    def __init__(self, answers: Sequence[Reply]) -> None:
        self.calls: list[Call] = []
        self._answers = list(answers)

    async def call(self, call: Call) -> Reply:
        self.calls.append(call)
        return self._answers.pop(0) if self._answers else Answer(404)


async def _live(api: Api, one: Record) -> None:
    """All that the domain asks of an API, in the order in which it does."""
    for step in (_attempt, _poll):
        try:
            await step(api, one)
        except ValueError:
            continue


async def _attempt(api: Api, one: Record) -> Accept | Ending | Defer:
    found = await api.look(one, lambda: True)
    return await api.cancel(one, lambda: True) if isinstance(found, Proceed) else found


async def _poll(api: Api, one: Record) -> None:
    await api.poll(one, 0)


def _calls(one: Record, answers: Sequence[Reply]) -> list[Call]:
    first, second = _Recorder(answers), _Recorder(answers)
    asyncio.run(_live(CloudPartnerApi(cast(ApiClient, first), SETTINGS, lambda: NOW), one))
    asyncio.run(_live(SubmissionApi(cast(ApiClient, second), SETTINGS, lambda: NOW), one))

    return [*first.calls, *second.calls]


@given(one=hostile, answers=st.lists(replies, max_size=5))
def test_hostile_records(one: Record, answers: list[Reply]) -> None:
    """Every call is one of those that the two APIs have, with ids in their places."""
    for call in _calls(one, answers):
        assert any(
            call.method == method and re.fullmatch(target, call.target)
            for method, target in ALLOWED
        ), call


@given(answers=st.lists(replies, max_size=6), uncertain=st.booleans(), seen=st.booleans())
def test_a_delete_follows_a_read_of_submitted(
    answers: list[Reply], uncertain: bool, seen: bool
) -> None:
    """Whatever is answered, the call before a DELETE has read the submission as `Submitted`."""
    one = _submission(uncertain=uncertain, submitted_seen_at=NOW if seen else None)
    recorder = _Recorder(answers)
    api = SubmissionApi(cast(ApiClient, recorder), SETTINGS, lambda: NOW)

    asyncio.run(_attempt(api, one))

    methods = [call.method for call in recorder.calls]
    assert methods.count("DELETE") == (answers[:1] == [SUBMITTED])
    assert "DELETE" not in methods or methods[:2] == ["GET", "DELETE"]


def _submission(**changes: object) -> Record:
    one = record(product_id="product-1", submission_id="1152921504606846977")
    return replace(one, publisher_id=None, offer_id=None, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("operation_id", ["..", "a/b", "", "a%2fb", "a?b"])
def test_a_hostile_operation(operation_id: str) -> None:
    """An operation's id that is no segment of a URL is never read."""
    recorder = _Recorder([])
    api = CloudPartnerApi(cast(ApiClient, recorder), SETTINGS, lambda: NOW)

    with pytest.raises(ValueError, match="is not the id of an operation"):
        asyncio.run(api.operation(record(), operation_id))

    assert [] == recorder.calls


def test_an_operation() -> None:
    """One that is a segment is."""
    recorder = _Recorder([answer(200)])
    api = CloudPartnerApi(cast(ApiClient, recorder), SETTINGS, lambda: NOW)

    asyncio.run(api.operation(record(), GUID))

    assert [f"{GUID}?api-version=2017-10-31"] == [
        call.target.rpartition("/")[2] for call in recorder.calls
    ]
