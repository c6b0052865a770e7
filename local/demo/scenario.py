"""The form of a scenario: a request, what its API does, and how it ends.

Data only: nothing in here sends, waits or judges.
"""

from dataclasses import dataclass

from local.portal.script import Script
from local.portal.submission_script import SubmissionScript

PUBLISHER = "contoso"


@dataclass(frozen=True, slots=True)
class Expect:
    """How a request ends: status and error code, cancel calls exactly, polls at least."""

    status: str
    code: str | None = None
    posts: int = 1
    polls: int = 0


@dataclass(frozen=True, slots=True)
class Scenario:
    """A message for the queue, what the API does with its target, and what comes of it.

    `target`: the offer, or a submission's product; no two scenarios have the same.
    """

    name: str
    target: str
    does: str
    text: str
    expect: Expect
    script: Script | SubmissionScript | None = None
    publisher_id: str = PUBLISHER
