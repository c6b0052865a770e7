"""Names where a request is in its life, and how and why it ended."""

from dataclasses import dataclass
from enum import StrEnum

CODE_LIMIT = 128  # characters of an error's code
MESSAGE_LIMIT = 6000  # characters of its message; a table's string property holds 32,768


class Status(StrEnum):
    """Where a request is in its life."""

    SUBMITTING = "submitting"  # claimed: somebody holds a lease and may be posting
    ACCEPTED = "accepted"  # the API answered 202: polled until it is done
    DEFERRED = "deferred"  # not now: tried again later
    CANCELED = "canceled"  # final, done
    FAILED = "failed"  # final, the API or its operation failed after accepting
    REJECTED = "rejected"  # final, the API or a rule refused
    EXPIRED = "expired"  # final, its deadline passed

    @property
    def is_final(self) -> bool:
        """Whether nothing follows but (repeats of) the outcome."""
        return self not in (Status.SUBMITTING, Status.ACCEPTED, Status.DEFERRED)


class ErrorCode(StrEnum):
    """The codes that the app itself gives; every other one comes from the API."""

    INVALID_REQUEST = "InvalidRequest"  # the message holds no valid request
    REQUEST_ID_REUSED = "RequestIdReused"  # its id belongs to another request
    OPERATION_NOT_RUNNING = "OperationNotRunning"  # there was nothing of this request to cancel
    UNTRUSTED_LOCATION = "UntrustedLocation"  # the token must not go where the API points to
    OPERATION_FAILED = "OperationFailed"  # accepted, then it failed
    DEADLINE_PASSED = "DeadlinePassed"  # what the API did is unknown
    ABANDONED = "Abandoned"  # an operator stopped following it
    INTERNAL_ERROR = "InternalError"  # a bug


@dataclass(frozen=True, slots=True)
class Error:
    """Why a request did not end `canceled`: a code for programs, a message for people."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Ending:
    """How a request ends. What is None keeps the record's own value."""

    status: Status
    error: Error | None = None
    http_status: int | None = None
    operation_status: str | None = None
    location: str | None = None
    api_request_id: str | None = None
