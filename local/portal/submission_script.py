"""What the scripted submission API is told to answer, and what it remembers of a call.

Data only: nothing here listens or sends.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from local.portal.script import Answer, Fault

SUBMISSION = "1152921504606846977"
"""An id as the API makes them: more digits than a JSON number keeps."""

SubmissionKind = Literal["read", "delete", "product"]

GONE = Answer(404, "Resource not found.")


def state(state: str, substate: str | None = None, **fields: object) -> Answer:
    """A submission as the API describes it."""
    described = {
        "resourceType": "Submission",
        "id": SUBMISSION,
        "state": state,
        "substate": substate,
        "targets": [{"type": "Scope", "value": "preview"}],
        "publishedTimeInUtc": "0001-01-01T00:00:00Z",
        **fields,
    }
    return Answer(200, {name: value for name, value in described.items() if value is not None})


SUBMITTED = state("InProgress", "Submitted")
DRAFT = state("InProgress", "InDraft")
CANCELLED = state("InProgress", "Cancelled")
PUBLISHED = state("Published", "InStore")
PRODUCT = Answer(200, {"resourceType": "AzureVirtualMachine", "name": "contoso"})
DELETED = Answer(204)

_PROBLEM = {
    "title": "One or more validation errors occurred.",
    "status": 400,
    "errors": {"x-ms-publisherId": ["PublisherId is required, and must be a positive number."]},
}
ERRORS: Mapping[str, object] = {
    "code and JSON": json.dumps(
        'ICH50400 - the call failed {"faultCode": "Busy", "message": "try again"}'
    ),
    "exception and problem": json.dumps(
        f"Contoso.RestClientException: ICH50400 - GetProduct {json.dumps(_PROBLEM)}"
    ),
    "object": {
        "code": "ICH50400",
        "message": "the submission cannot be cancelled",
        "source": "Ingestion Api",
        "target": "submission",
        "details": [{"code": "Promoted", "message": "it is being published"}],
    },
    "plain text": "ICH50400 - it cannot be cancelled",
}
"""Bodies of errors, by the shape that they have; the code of each is ICH50400."""

NO_PUBLISHER = Answer(400, ERRORS["exception and problem"])


@dataclass(frozen=True, slots=True)
class SubmissionScript:
    """The answers for a product's submission, a sequence per kind of call; the last one repeats.

    `after`: what a read is answered from the first DELETE on that was acted on; none: as before.
    """

    read: Sequence[Answer] = (GONE,)
    delete: Sequence[Answer] = (DELETED,)
    product: Sequence[Answer] = (PRODUCT,)
    after: Sequence[Answer] = ()

    def answers(self, name: SubmissionKind | Literal["after"]) -> Sequence[Answer]:
        """Return the sequence for a kind of call."""
        match name:
            case "read":
                return self.read
            case "delete":
                return self.delete
            case "product":
                return self.product
            case "after":
                return self.after


@dataclass(frozen=True, slots=True)
class SubmissionCall:
    """A call that the API accepted, and what it was told to answer: the status, or the fault."""

    kind: SubmissionKind
    product_id: str
    submission_id: str | None
    answered: int | Fault
    request_id: str
    token_jti: str | None
    headers: Mapping[str, str]  # without `Authorization`

    @property
    def is_acted_on(self) -> bool:
        """Whether a DELETE took effect, whatever became of its answer."""
        return self.kind == "delete" and (
            self.answered in (Fault.RESET_AFTER, Fault.HANG, Fault.TRUNCATE, Fault.TRICKLE)
            or (isinstance(self.answered, int) and 200 <= self.answered < 300)  # noqa: PLR2004
        )


def is_submitted(answer: Answer) -> bool:
    """Whether a caller has read `InProgress`, `Submitted` in it."""
    body = answer.body if isinstance(answer.body, dict) else {}
    words = [re.sub(r"[\s_-]", "", str(body.get(n))).lower() for n in ("state", "substate")]

    return answer.status == 200 and not answer.fault and words == ["inprogress", "submitted"]  # noqa: PLR2004
