"""The words for where a request is, and for how it ends."""

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
    """The codes of errors that the app itself finds; others are the API's own."""

    INVALID_REQUEST = "InvalidRequest"
    REQUEST_ID_REUSED = "RequestIdReused"
    OPERATION_NOT_RUNNING = "OperationNotRunning"
    UNTRUSTED_LOCATION = "UntrustedLocation"
    OPERATION_FAILED = "OperationFailed"
    DEADLINE_PASSED = "DeadlinePassed"
    ABANDONED = "Abandoned"
    INTERNAL_ERROR = "InternalError"


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
