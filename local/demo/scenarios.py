"""Requests that show what the app does, each with its API's script and its expected end.

Data for the demo and for the end-to-end tests; nothing in here sends, waits or judges.
"""

import base64
import json

from local.demo.scenario import PUBLISHER, Expect, Scenario
from local.demo.submissions import SUBMISSIONS
from local.portal.script import Answer, Script

__all__ = ["PUBLISHER", "SCENARIOS", "Expect", "Scenario", "request"]

_OPERATION = "56615b67-2185-49fe-80d2-c4ddf77bb2e8"
_VERSION = "api-version=2017-10-31"
_BASE = f"/api/publishers/{PUBLISHER}/offers"


def request(offer_id: str, **fields: object) -> dict[str, object]:
    """Return the document of a plain request for the offer."""
    emails = "jondoe@contoso.com,jane@contoso.com"
    return {
        "publisherId": PUBLISHER,
        "offerId": offer_id,
        "notificationEmails": emails,
        **fields,
    }


def _base64(document: object) -> str:
    return base64.b64encode(json.dumps(document).encode()).decode()


def _request(offer_id: str) -> str:
    return _base64(request(offer_id, requestId=f"demo-{offer_id}"))


def _envelope(offer_id: str) -> str:
    return _base64(
        {
            "specversion": "1.0",
            "type": "Contoso.CancelRequested",
            "source": "/contoso/catalog",
            "id": "0f9c1b1e-8d0c-4d4b-9a55-0d5c1f0f7f10",
            "datacontenttype": "application/json",
            "data": request(offer_id),
        }
    )


def _migrated(offer_id: str) -> str:
    return f"{_BASE}/{offer_id}/operations/{_OPERATION}?{_VERSION}"


def _operation(status: str, percentage: int, *messages: str) -> list[object]:
    """The documented answer: an array that holds one operation."""
    step = {
        "estimatedTimeFrame": "1 minute",
        "id": "cancel",
        "stepName": "Cancel",
        "description": "The submission is being cancelled.",
        "status": status,
        "messages": [
            {"messageHtml": text, "level": "error", "timestamp": "2020-02-03T10:00:00Z"}
            for text in messages
        ],
        "progressPercentage": percentage,
    }
    return [
        {
            "status": status,
            "messages": [],
            "publishingVersion": 2,
            "offerVersion": 2,
            "cancellationRequestState": "canCancel",
            "steps": [step],
            "previewLinks": [],
            "liveLinks": [],
        }
    ]


_RUNNING = Answer(200, _operation("running", 40))
_COMPLETED = Answer(200, _operation("completed", 100))
_FAILED = Answer(
    200,
    _operation("failed", 60, "<p>The offer is <b>already live</b>;&nbsp;nothing to cancel.</p>"),
)


def _accepted(location: str) -> Answer:
    return Answer(202, headers={"Location": location})


def _error(status: int, code: str, message: str) -> Answer:
    return Answer(status, {"error": {"code": code, "message": message}})


_OFFERS = (
    Scenario(
        name="cancelled at once",
        target="at-once",
        does="200",
        text=_request("at-once"),
        script=Script(cancel=[Answer(200)]),
        expect=Expect("canceled"),
    ),
    Scenario(
        name="migrated offer",
        target="migrated",
        does="202, relative Location; running, completed",
        text=_request("migrated"),
        script=Script(cancel=[_accepted(_migrated("migrated"))], operation=[_RUNNING, _COMPLETED]),
        expect=Expect("canceled", polls=2),
    ),
    Scenario(
        name="offer not migrated",
        target="not-migrated",
        does="202, Location with $ ids; canceled, a bare object",
        text=_request("not-migrated"),
        script=Script(
            cancel=[_accepted(f"/api/operations/contoso$not-migrated$2$preview?{_VERSION}")],
            operation=[Answer(200, {"status": "Canceled"})],
        ),
        expect=Expect("canceled", polls=1),
    ),
    Scenario(
        name="API of 2018",
        target="of-2018",
        does="202, absolute Operation-Location, no api-version",
        text=_request("of-2018"),
        script=Script(
            cancel=[
                Answer(
                    202,
                    headers={
                        "Operation-Location": f"{{url}}{_BASE}/of-2018/operations/{_OPERATION}"
                    },
                )
            ],
            operation=[_COMPLETED],
        ),
        expect=Expect("canceled", polls=1),
    ),
    Scenario(
        name="location in the body",
        target="in-the-body",
        does="202, the body holds the location",
        text=_request("in-the-body"),
        script=Script(
            cancel=[Answer(202, {"location": _migrated("in-the-body")})], operation=[_COMPLETED]
        ),
        expect=Expect("canceled", polls=1),
    ),
    Scenario(
        name="slow operation",
        target="slow",
        does="202; not started, running twice, completed",
        text=_request("slow"),
        script=Script(
            cancel=[_accepted(_migrated("slow"))],
            operation=[
                Answer(200, _operation("not started", 0)),
                _RUNNING,
                Answer(200, _operation("running", 80)),
                _COMPLETED,
            ],
        ),
        expect=Expect("canceled", polls=4),
    ),
    Scenario(
        name="throttled",
        target="throttled",
        does="429 with Retry-After: 2, then 200",
        text=_request("throttled"),
        script=Script(
            cancel=[Answer(429, headers={"Retry-After": "2"}), Answer(200)],
        ),
        expect=Expect("canceled", posts=2),
    ),
    Scenario(
        name="operation fails",
        target="fails",
        does="202; failed, with a step's message in HTML",
        text=_request("fails"),
        script=Script(cancel=[_accepted(_migrated("fails"))], operation=[_FAILED]),
        expect=Expect("failed", "OperationFailed", polls=1),
    ),
    Scenario(
        name="bad request",
        target="bad-request",
        does="400 with an error object",
        text=_request("bad-request"),
        script=Script(cancel=[_error(400, "BadRequest", "The offer has no submission to cancel.")]),
        expect=Expect("rejected", "BadRequest"),
    ),
    Scenario(
        name="no access",
        target="no-access",
        does="403 with an error object",
        text=_request("no-access"),
        script=Script(
            cancel=[_error(403, "Forbidden", "User does not have the required permissions")]
        ),
        expect=Expect("rejected", "Forbidden"),
    ),
    Scenario(
        name="no such offer",
        target="no-such-offer",
        does="404 with a bare string",
        text=_request("no-such-offer"),
        script=Script(cancel=[Answer(404, '"Contoso.Catalog.EntityDoesNotExistException"')]),
        expect=Expect("rejected", "Http404"),
    ),
    Scenario(
        name="misspelt field",
        target="misspelt",
        does="nothing is posted: operatonId is not a field",
        text=_base64(request("misspelt", requestId="demo-misspelt", operatonId=_OPERATION)),
        expect=Expect("rejected", "InvalidRequest", posts=0),
    ),
    Scenario(
        name="CloudEvents envelope",
        target="enveloped",
        does="200; the request was the data of an event",
        text=_envelope("enveloped"),
        script=Script(cancel=[Answer(200)]),
        expect=Expect("canceled"),
    ),
    Scenario(
        name="plain text JSON",
        target="plain-text",
        does="200; the message was not base64",
        text=json.dumps(request("plain-text", requestId="demo-plain-text")),
        script=Script(cancel=[Answer(200)]),
        expect=Expect("canceled"),
    ),
)

SCENARIOS: tuple[Scenario, ...] = (*_OFFERS, *SUBMISSIONS)
