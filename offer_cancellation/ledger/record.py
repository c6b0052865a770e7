"""The record of one request, as the ledger keeps it: plain, frozen data.

Times are aware UTC in whole milliseconds. The table's columns are these fields in PascalCase.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from offer_cancellation.status import Error, Status

VERSION = 1
OFFER_TARGET = ("publisher_id", "offer_id")
SUBMISSION_TARGET = ("product_id", "submission_id")
_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_FORMS = {
    "publisher_id": _NAME,
    "offer_id": _NAME,
    "product_id": re.compile(r"[A-Za-z0-9-]{6,36}"),
    "submission_id": re.compile(r"[0-9]{1,32}"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One request. `due_at` is the time of its due row; None where there never was one."""

    request_id: str
    status: Status
    requested_at: datetime
    deadline: datetime

    publisher_id: str | None = None  # with offer_id: an offer, cancelled by the first API
    offer_id: str | None = None
    product_id: str | None = None  # with submission_id: a submission, cancelled by the second one
    submission_id: str | None = None
    api_request_id: str | None = None  # `request-id` of the API's last answer
    notification_emails: str | None = None  # comma-separated, as the API takes it
    operation_id: str | None = None  # the guard
    correlation_id: str | None = None
    traceparent: str | None = None
    source: str | None = None  # of its events: the app that claimed it

    run: int = 1
    attempts: int = 0  # POSTs that went out
    polls: int = 0
    deferrals: int = 0
    deaths: int = 0  # claimers that died in a row
    uncertain: bool = False
    http_status: int | None = None
    location: str | None = None
    operation_status: str | None = None
    error_code: str | None = None
    error_message: str | None = None

    last_status: int | None = None  # what the last answer said, or why there was none
    last_code: str | None = None
    last_message: str | None = None

    lease_until: datetime | None = None
    first_attempt_at: datetime | None = None
    attempt_at: datetime | None = None  # when the latest claim, then its POST, began
    uncertain_since: datetime | None = None  # when the first uncertain attempt of this run began
    accepted_at: datetime | None = None
    next_try_at: datetime | None = None
    submitted_seen_at: datetime | None = None  # a look of this run saw the submission `Submitted`
    refused_since: datetime | None = None  # since when there was no answer but a refusal
    finished_at: datetime | None = None
    due_at: datetime | None = None

    version: int = VERSION
    etag: str = ""  # of the row as it was read or written; not a column

    @property
    def bad_target(self) -> list[str]:
        """The fields that keep it from naming one offer, or one submission, and nothing else.

        A row can be edited, and what these hold becomes part of a URL.
        """
        names = (*OFFER_TARGET, *SUBMISSION_TARGET)
        given = {name for name in names if getattr(self, name) is not None}
        is_submission = bool(given.intersection(SUBMISSION_TARGET))
        target = SUBMISSION_TARGET if is_submission else OFFER_TARGET

        wrong = [name for name in target if not _FORMS[name].fullmatch(getattr(self, name) or "")]
        return [*wrong, *(name for name in names if name in given and name not in target)]

    @property
    def error(self) -> Error | None:
        """The error of a final record, if it has one."""
        return Error(self.error_code, self.error_message or "") if self.error_code else None

    def is_past_deadline(self, now: datetime) -> bool:
        """Whether its time is over."""
        return now >= self.deadline

    def log_fields(self) -> dict[str, object]:
        """What every log record about this request says of it; see `log.event`."""
        return {
            "requestId": self.request_id,
            "publisherId": self.publisher_id,
            "offerId": self.offer_id,
            "productId": self.product_id,
            "submissionId": self.submission_id,
            "correlationId": self.correlation_id,
            "traceparent": self.traceparent,
            "status": self.status.value,
            "attempts": self.attempts,
            "polls": self.polls,
            "httpStatus": self.http_status,
            "code": self.error_code,
        }

    def new_reason_fields(self, before: "Record") -> dict[str, object]:
        """Why it waits, for a log record, where that is not what it was before."""
        reason = (self.last_status, self.last_code, self.last_message)
        if reason == (before.last_status, before.last_code, before.last_message):
            return {}

        return dict(zip(("lastStatus", "lastCode", "lastMessage"), reason, strict=True))
