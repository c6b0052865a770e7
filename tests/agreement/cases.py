"""Messages, what the portal answers, and what must come of them, whoever hosts the app.

`texts` are sent one after the other, the next when nothing is under way any more. Invalid ones
that name no offer are told by the empty offer.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from local.portal.script import Answer, Script

PUBLISHER = "contoso"
OPERATION = "56615b67-2185-49fe-80d2-c4ddf77bb2e8"
BASE = f"/api/publishers/{PUBLISHER}/offers"

Columns = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Case:
    """One offer's messages; `record`: some of its columns, `events`: (status, error code)."""

    offer: str
    texts: tuple[str, ...]
    script: Script = field(default_factory=Script)
    record: Columns | None = None
    events: tuple[tuple[str, str | None], ...] = ()
    rejected: tuple[str, ...] = ()
    posts: int = 0


def request(offer: str, **fields: object) -> str:
    """The text of a request for the offer."""
    return json.dumps({"publisherId": PUBLISHER, "offerId": offer, **fields})


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _cloud_event(offer: str) -> str:
    event = {
        "specversion": "1.0",
        "id": "2030-01-31T12:00:00Z",  # the host makes another text of it
        "source": "/contoso/catalog",
        "type": "Contoso.CancelRequested",
        "data": {"publisherId": PUBLISHER, "offerId": offer},
    }
    return json.dumps(event)


def _accepted(offer: str) -> Answer:
    location = f"{BASE}/{offer}/operations/{OPERATION}?api-version=2017-10-31"
    return Answer(202, headers={"Location": location})


def _operation(*statuses: str) -> tuple[Answer, ...]:
    return tuple(Answer(200, {"status": status}) for status in statuses)


_DONE = Script(cancel=(Answer(200),))
_CANCELED = (("canceled", None),)
_INVALID = (("rejected", "InvalidRequest"),)
_REFUSAL = Answer(403, {"error": {"code": "Forbidden", "message": "Not yours."}})

_MISSPELT = request("misspelt", ofer="x")
_OWN_ID = request("own-id", id="mine", dequeueCount=9)
_OWN_NUMBER = request("own-number", id=17)
_OWN_OBJECT = request("own-object", id={"not": "a text"})
_OWN_TIME = request("own-time", InsertionTime="2030-01-31T12:00:00Z")
_MANY = request("many", dequeueCount="many")
_YESTERDAY = request("yesterday", insertionTime="yesterday")
_REUSING = request("reusing", requestId="r-reused")

CASES: tuple[Case, ...] = (
    Case("at-once", (request("at-once", requestId="r-1"),), _DONE,
         {"Status": "canceled", "RequestId": "r-1", "HttpStatus": 200, "Attempts": 1, "Polls": 0},
         _CANCELED, posts=1),
    Case("no-id", (request("no-id"),), _DONE,
         {"Status": "canceled", "RequestId": "msg-<id>"}, _CANCELED, posts=1),
    Case("in-base64", (_base64(request("in-base64", requestId="r-2")),), _DONE,
         {"Status": "canceled", "RequestId": "r-2"}, _CANCELED, posts=1),
    Case("cloud-event", (_cloud_event("cloud-event"),), _DONE,
         {"Status": "canceled"}, _CANCELED, posts=1),
    Case("polled", (request("polled", correlationId="c-1"),),
         Script(cancel=(_accepted("polled"),), operation=_operation("running", "completed")),
         {"Status": "canceled", "HttpStatus": 202, "OperationStatus": "completed", "Polls": 2,
          "CorrelationId": "c-1"}, _CANCELED, posts=1),
    Case("fails", (request("fails"),),
         Script(cancel=(_accepted("fails"),), operation=_operation("failed")),
         {"Status": "failed", "ErrorCode": "OperationFailed", "Polls": 1},
         (("failed", "OperationFailed"),), posts=1),
    Case("forbidden", (request("forbidden"),), Script(cancel=(_REFUSAL,)),
         {"Status": "rejected", "ErrorCode": "Forbidden", "HttpStatus": 403},
         (("rejected", "Forbidden"),), posts=1),
    Case("later", (request("later"),), Script(cancel=(Answer(503), Answer(503), Answer(200))),
         {"Status": "canceled", "Attempts": 3, "Deferrals": 2}, _CANCELED, posts=3),
    Case("too-late", (request("too-late", expiresAt="2020-01-01T00:00:00Z"),), _DONE,
         {"Status": "expired", "ErrorCode": "DeadlinePassed", "Attempts": 0},
         (("expired", "DeadlinePassed"),)),
    Case("guarded", (request("guarded", operationId=OPERATION),),
         Script(cancel=(Answer(200),), operation=_operation("completed")),
         {"Status": "rejected", "ErrorCode": "OperationNotRunning"},
         (("rejected", "OperationNotRunning"),)),
    Case("twice", (request("twice", requestId="r-3"),) * 2, _DONE,
         {"Status": "canceled", "Attempts": 1}, _CANCELED, posts=1),
    Case("reused", (request("reused", requestId="r-reused"),), _DONE,
         {"Status": "canceled"}, _CANCELED, posts=1),
    Case("reusing", (request("another", requestId="r-4"), _REUSING), _DONE,
         None, (("rejected", "RequestIdReused"),), (_REUSING,)),
    Case("another", (), _DONE, {"Status": "canceled", "RequestId": "r-4"}, _CANCELED, posts=1),
    Case("", ("{no json",), events=_INVALID, rejected=("{no json",)),
    Case("misspelt", (_MISSPELT,), events=_INVALID, rejected=(_MISSPELT,)),
    # Properties that hide the trigger's metadata of the same name, in any letter case.
    Case("own-id", (_OWN_ID,), events=_INVALID, rejected=(_OWN_ID,)),
    Case("own-number", (_OWN_NUMBER,), events=_INVALID, rejected=(_OWN_NUMBER,)),
    Case("own-object", (_OWN_OBJECT,), events=_INVALID, rejected=(_OWN_OBJECT,)),
    # Hidden by what cannot be decoded: no invocation reaches the app, the host gives it up, and a
    # tick that finds it in the poison queue says what is wrong with it.
    Case("own-time", (_OWN_TIME,), events=_INVALID, rejected=(_OWN_TIME,)),
    Case("many", (_MANY,), events=_INVALID, rejected=(_MANY,)),
    Case("yesterday", (_YESTERDAY,), events=_INVALID, rejected=(_YESTERDAY,)),
)  # fmt: skip
