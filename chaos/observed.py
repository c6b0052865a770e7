"""What was seen of a run from outside, for `verdict` to judge. Data only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chaos.plan import Plan
from chaos.simulation import Call

FINAL = frozenset({"canceled", "failed", "rejected", "expired"})


@dataclass(frozen=True, slots=True)
class Row:
    """A record as it stands in the table; `etag` tells two states of it apart."""

    request_id: str
    status: str
    etag: str
    columns: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One reading of the ledger, by the digest of the request id. No snapshot in truth: see below.

    Rows are read one after the other, while others write them.
    """

    records: Mapping[str, Row] = field(default_factory=dict)
    due: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Event:
    """An outcome event as it arrived."""

    at: float
    source: str
    id: str
    request_id: str
    status: str
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that was put on the queue: `name` is its request id, or its text if invalid."""

    at: float
    message_id: str
    name: str
    is_valid: bool


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something done to the stack, from `at` to `until`.

    `repeats`: whether an attempt under way then may have to be repeated. Without a good token
    nothing is under way.
    """

    at: float
    until: float
    what: str
    repeats: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Everything that the verdict rests on; times are seconds from the start."""

    plan: Plan
    seconds: float
    pending: str  # what was waited for when the run was given up; empty: it settled
    sent: tuple[Sent, ...]
    ledger: Snapshot  # at the end
    events: tuple[Event, ...]
    rejected: tuple[str, ...]
    calls: tuple[Call, ...]
    cancelled: frozenset[str]  # offers of which nothing runs any more
    refused: tuple[str, ...] = ()  # calls that break the API's contract
    kills: int = 0
    troubles: tuple[Trouble, ...] = ()
    time_outs: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  # by offer
    rule_one: frozenset[str] = frozenset()  # digests of requests seen to break it
    secrets: tuple[str, ...] = ()  # what was found in the logs
