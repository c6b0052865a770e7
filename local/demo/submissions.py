"""The demo's requests of the second generation: submissions of newer products."""

import base64
import json

from local.demo.scenario import Expect, Scenario
from local.portal.submission_script import (
    CANCELLED,
    DRAFT,
    PUBLISHED,
    SUBMISSION,
    SUBMITTED,
    SubmissionScript,
)


def submission_request(product_id: str, **fields: object) -> dict[str, object]:
    """Return the document of a plain request for the product's submission."""
    return {"productId": product_id, "submissionId": SUBMISSION, **fields}


def _request(product_id: str) -> str:
    document = submission_request(product_id, requestId=f"demo-{product_id}")

    return base64.b64encode(json.dumps(document).encode()).decode()


SUBMISSIONS: tuple[Scenario, ...] = (
    Scenario(
        name="submission",
        target="product-at-once",
        does="204; cancelled",
        text=_request("product-at-once"),
        script=SubmissionScript(read=[SUBMITTED], after=[CANCELLED]),
        expect=Expect("canceled", polls=1),
    ),
    Scenario(
        name="slow submission",
        target="product-slow",
        does="204; submitted twice, then a draft again",
        text=_request("product-slow"),
        script=SubmissionScript(read=[SUBMITTED], after=[SUBMITTED, SUBMITTED, DRAFT]),
        expect=Expect("canceled", polls=3),
    ),
    Scenario(
        name="submission goes live",
        target="product-live",
        does="204; published before it could be stopped",
        text=_request("product-live"),
        script=SubmissionScript(read=[SUBMITTED], after=[SUBMITTED, PUBLISHED]),
        expect=Expect("failed", "OperationFailed", polls=2),
    ),
)
