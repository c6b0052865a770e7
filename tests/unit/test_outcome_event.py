"""The outcome: a CloudEvents 1.0 JSON event, built from its final record alone."""

import base64
import json
import logging
from dataclasses import replace
from hashlib import sha256
from typing import Any, cast

import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from offer_cancellation import transitions
from offer_cancellation.ledger.record import Record
from offer_cancellation.outcome import Outcomes
from offer_cancellation.outcome_event import SIZE_LIMIT, Refusal, of_record, of_refusal
from offer_cancellation.status import Ending, Error, Status
from offer_cancellation.storage import SendQueue
from tests.unit.samples import GUID, NOW, TRACE, record, seconds

SOURCE = "/offer-cancellation/local"
DIGEST = sha256(b'{"publisherId": "contoso"}').hexdigest()
HORSES = "\U0001f40e" * 10_000  # twelve bytes each, once escaped
CANCELED = record(
    status=Status.CANCELED,
    operation_id=GUID,
    correlation_id="release 7",
    traceparent=TRACE,
    attempts=1,
    polls=3,
    uncertain=True,
    http_status=202,
    location="/api/x?api-version=2017-10-31",
    operation_status="completed",
    accepted_at=seconds(1),
    finished_at=seconds(63.2),
    lease_until=None,
    due_at=None,
)
REFUSAL = Refusal(
    text='{"publisherId": "contoso"}',
    request_id="msg-m1",
    publisher_id="contoso",
    offer_id=None,
    correlation_id="release 7",
    traceparent=TRACE,
    requested_at=seconds(-10),
    error=Error("InvalidRequest", "offerId is missing"),
)


def _event(found: bytes) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(found)
    return event


def test_full_event() -> None:
    """An outcome holds everything the contract names, times in RFC 3339 with milliseconds."""
    assert {
        "specversion": "1.0",
        "type": "OfferCancellation.Canceled",
        "source": SOURCE,
        "subject": "publishers/contoso/offers/contoso-offer",
        "id": "nightly:2030-01-31T11:59:50.250Z:1:canceled",
        "time": "2030-01-31T12:01:03.450000Z",
        "datacontenttype": "application/json",
        "data": {
            "requestId": "nightly",
            "publisherId": "contoso",
            "offerId": "contoso-offer",
            "status": "canceled",
            "httpStatus": 202,
            "operationStatus": "completed",
            "operationId": GUID,
            "location": "/api/x?api-version=2017-10-31",
            "attempts": 1,
            "polls": 3,
            "uncertain": True,
            "requestedAt": "2030-01-31T11:59:50.250Z",
            "acceptedAt": "2030-01-31T12:00:01.250Z",
            "finishedAt": "2030-01-31T12:01:03.450Z",
            "durationSeconds": 73.2,
            "correlationId": "release 7",
            "traceparent": TRACE,
        },
    } == _event(of_record(CANCELED, SOURCE))


def test_least_event() -> None:
    """Fields that have no value are left out; counts of nought are values."""
    expired = transitions.expired(record(status=Status.DEFERRED, deadline=NOW), NOW)
    assert {
        "requestId": "nightly",
        "publisherId": "contoso",
        "offerId": "contoso-offer",
        "status": "expired",
        "error": {"code": "DeadlinePassed", "message": "not done by 2030-01-31T12:00:00.250Z"},
        "attempts": 0,
        "polls": 0,
        "requestedAt": "2030-01-31T11:59:50.250Z",
        "finishedAt": "2030-01-31T12:00:00.250Z",
        "durationSeconds": 10.0,
    } == _event(of_record(expired, SOURCE))["data"]


@pytest.mark.parametrize(
    ("status", "event_type"),
    [
        (Status.CANCELED, "OfferCancellation.Canceled"),
        (Status.FAILED, "OfferCancellation.Failed"),
        (Status.REJECTED, "OfferCancellation.Rejected"),
        (Status.EXPIRED, "OfferCancellation.Expired"),
    ],
)
def test_types_and_ids(status: Status, event_type: str) -> None:
    """Each final status has its type; the id is made of request id, run and status."""
    event = _event(of_record(replace(CANCELED, status=status, run=2), SOURCE))
    assert (event_type, f"nightly:2030-01-31T11:59:50.250Z:2:{status.value}") == (
        event["type"],
        event["id"],
    )
    assert event["data"]["status"] == status.value


@pytest.mark.parametrize("status", [Status.SUBMITTING, Status.ACCEPTED, Status.DEFERRED])
def test_not_final(status: Status) -> None:
    """The final status is written first: there is no event before it."""
    with pytest.raises(ValueError, match=f"^request 'nightly' is {status.value}, not final$"):
        of_record(replace(CANCELED, status=status), SOURCE)


def test_no_end() -> None:
    """A final record without the time of its end has no event."""
    with pytest.raises(ValueError, match=r"^request 'nightly' is canceled, not final$"):
        of_record(replace(CANCELED, finished_at=None), SOURCE)


def test_event_of_a_refusal() -> None:
    """A refused message has an event with what is known; no subject, as its offer is invalid."""
    event = _event(of_refusal(REFUSAL, SOURCE, seconds(0.5)))
    assert event == {
        "specversion": "1.0",
        "type": "OfferCancellation.Rejected",
        "source": SOURCE,
        "id": f"message:{DIGEST}:rejected",
        "time": "2030-01-31T12:00:00.750000Z",
        "datacontenttype": "application/json",
        "data": {
            "requestId": "msg-m1",
            "publisherId": "contoso",
            "status": "rejected",
            "error": {"code": "InvalidRequest", "message": "offerId is missing"},
            "attempts": 0,
            "polls": 0,
            "requestedAt": "2030-01-31T11:59:50.250Z",
            "finishedAt": "2030-01-31T12:00:00.750Z",
            "durationSeconds": 10.5,
            "correlationId": "release 7",
            "traceparent": TRACE,
        },
    }


def test_subject_of_a_refusal() -> None:
    """A refused message with a valid publisher and offer names them in the subject."""
    refusal = replace(REFUSAL, offer_id="contoso-offer", status=Status.FAILED)
    event = _event(of_refusal(refusal, SOURCE, NOW))
    assert "publishers/contoso/offers/contoso-offer" == event["subject"]
    assert "OfferCancellation.Failed" == event["type"]


@pytest.mark.parametrize(
    ("publisher", "offer"), [("contoso", None), (None, "contoso-offer"), (None, None)]
)
def test_no_subject_of_a_refusal(publisher: str | None, offer: str | None) -> None:
    """The subject is absent when either is invalid."""
    refusal = replace(REFUSAL, publisher_id=publisher, offer_id=offer)
    assert "subject" not in _event(of_refusal(refusal, SOURCE, NOW))


def test_least_refusal() -> None:
    """What is not known of a refused message is left out."""
    refusal = replace(REFUSAL, publisher_id=None, correlation_id=None, traceparent=None)
    names = {"requestId", "status", "error", "attempts", "polls"}
    times = {"requestedAt", "finishedAt", "durationSeconds"}
    assert names | times == _event(of_refusal(refusal, SOURCE, NOW))["data"].keys()


def test_repeats() -> None:
    """Repeats carry the same `source` and `id`, whatever message holds the text."""

    def event_id(refusal: Refusal, delay: float) -> tuple[str, str]:
        event = _event(of_refusal(refusal, SOURCE, seconds(delay)))
        return event["source"], event["id"]

    again = replace(REFUSAL, request_id="msg-m2", requested_at=seconds(60))
    assert event_id(REFUSAL, 0) == event_id(again, 60)
    assert event_id(REFUSAL, 0) != event_id(replace(REFUSAL, text="\ud800"), 0)


def test_source_of_the_claimer() -> None:
    """A second app on the same storage repeats an event under the first one's name."""
    event = _event(of_record(replace(CANCELED, source="/offer-cancellation/first"), SOURCE))
    assert "/offer-cancellation/first" == event["source"]


def test_a_reused_id_after_a_purge() -> None:
    """Another request with the same id, made at another time, has another event id."""
    later = replace(CANCELED, requested_at=seconds(1))
    one, other = _event(of_record(CANCELED, SOURCE)), _event(of_record(later, SOURCE))
    assert one["id"] != other["id"]


def test_duration_is_never_negative() -> None:
    """Storage's clock may be ahead of the app's."""
    early = replace(CANCELED, requested_at=seconds(99))
    assert 0 == _event(of_record(early, SOURCE))["data"]["durationSeconds"]


def test_read_by_others() -> None:
    """A CloudEvents library reads what is sent."""
    event = JSONFormat().read(CloudEvent, of_record(CANCELED, SOURCE))
    assert (SOURCE, seconds(63.2)) == (event.get_source(), event.get_time())


def _worst(error: Error) -> Record:
    """A record whose every text is as long, and as costly to escape, as it may be."""
    longest = record(
        request_id=HORSES[:128],
        publisher_id="p" * 50,
        offer_id="o" * 50,
        operation_id=GUID,
        correlation_id=HORSES[:128],
        traceparent="01-" + "0" * 125,
    )
    ending = Ending(Status.FAILED, error, 599, HORSES, HORSES[:1024])
    return transitions.finished(longest, NOW, ending)


def test_long_texts_are_cut() -> None:
    """The JSON stays under 48 KiB, with worst-case texts, too: the message is cut, ends in `…`."""
    found = of_record(_worst(Error(HORSES, HORSES)), SOURCE)
    assert len(found) < SIZE_LIMIT == 48 * 1024
    assert len(base64.b64encode(found)) <= 64 * 1024
    message = _event(found)["data"]["error"]["message"]
    assert message.startswith(HORSES[:500])
    assert message.endswith("…")
    assert len(message) < 6000


def test_long_location_is_cut() -> None:
    """A record that a hand has given a longer location than fits is reported all the same."""
    found = of_record(replace(CANCELED, location="/api/" + HORSES * 40), SOURCE)
    assert len(found) < SIZE_LIMIT
    assert _event(found)["data"]["location"].endswith("…")


def test_texts_that_fit_are_whole() -> None:
    """As long as all of it fits, nothing is cut."""
    found = of_record(_worst(Error("Bad", "x" * 6000)), SOURCE)
    assert len(found) < SIZE_LIMIT
    assert "x" * 6000 == _event(found)["data"]["error"]["message"]


def test_long_refusal_is_cut() -> None:
    """A refused message with a thousand faults has an event of a bounded size, too."""
    refusal = replace(REFUSAL, error=Error("InvalidRequest", HORSES * 10), request_id=HORSES[:128])
    found = of_refusal(refusal, SOURCE, NOW)
    assert len(found) < SIZE_LIMIT
    assert _event(found)["data"]["error"]["message"].endswith("…")


@given(
    code=st.text(st.characters(), max_size=200),
    message=st.text(st.characters(), max_size=300).map(lambda text: text * 40),
)
def test_every_error_fits(code: str, message: str) -> None:
    """Whatever an error says, its event is JSON of a bounded size that a queue can hold."""
    final = transitions.finished(record(), NOW, Ending(Status.FAILED, Error(code, message)))
    found = of_record(final, SOURCE)
    assert len(found) < SIZE_LIMIT
    assert found.isascii()
    assert "2030-01-31T12:00:00.250Z" == _event(found)["data"]["finishedAt"]


class Sink:
    """Stands in for a queue: keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.is_closed = False

    async def send(self, text: str) -> None:
        """Keeps the text."""
        self.sent.append(text)

    async def close(self) -> None:
        """Nothing more is sent."""
        self.is_closed = True


def _logged(logged: logging.LogRecord) -> dict[str, object]:
    """The fields of a log record, without those that every one has."""
    own = vars(logging.makeLogRecord({})).keys() | {"message"}
    return {name: value for name, value in vars(logged).items() if name not in own}


async def test_report(caplog: pytest.LogCaptureFixture) -> None:
    """An outcome goes to its queue as base64, and is logged without anything secret."""
    caplog.set_level(logging.INFO)
    sink = Sink()
    outcomes = Outcomes(cast("SendQueue", sink), "/offer-cancellation/contoso-cancel")
    expired = transitions.expired(CANCELED, NOW)
    await outcomes.send(expired)
    [sent] = sink.sent
    assert of_record(expired, "/offer-cancellation/contoso-cancel") == base64.b64decode(sent)
    [logged] = caplog.records
    assert {
        "requestId": "nightly",
        "offerId": "contoso-offer",
        "correlationId": "release 7",
        "traceparent": TRACE,
        "publisherId": "contoso",
        "status": "expired",
        "code": "DeadlinePassed",
        "attempts": 1,
        "polls": 3,
        "httpStatus": 202,
    } == _logged(logged)
    assert "outcome.sent" == logged.getMessage()


async def test_refuse(caplog: pytest.LogCaptureFixture) -> None:
    """So does the event of a refused message."""
    caplog.set_level(logging.INFO)
    sink = Sink()
    outcomes = Outcomes(cast("SendQueue", sink), SOURCE)
    refusal = replace(REFUSAL, offer_id="contoso-offer")
    await outcomes.send_refusal(refusal, NOW)
    [sent] = sink.sent
    assert of_refusal(refusal, SOURCE, NOW) == base64.b64decode(sent)
    [logged] = caplog.records
    assert {
        "requestId": "msg-m1",
        "offerId": "contoso-offer",
        "correlationId": "release 7",
        "traceparent": TRACE,
        "publisherId": "contoso",
        "status": "rejected",
        "code": "InvalidRequest",
    } == _logged(logged)
    assert "outcome.sent" == logged.getMessage()
    await outcomes.close()
    assert sink.is_closed
