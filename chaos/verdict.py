"""The judgement: what was promised, against what was seen. Pure.

Each figure is a list of findings, and must be empty:

lost                   a request without a final record or without an event; an invalid message
                       without its rejected event, or whose text is not in the rejected queue
ended in two statuses  events that disagree with each other or with the record
unexplained POSTs      a POST beyond an offer's first, although the one before it was answered and
                       its claimer lived to write that down
rule 1 broken          see `rule_one`
secrets in logs        a token, a query string or an e-mail address
untrue outcomes        canceled, says the record, and the operation runs on
calls refused          calls that break the API's contract, or are for nobody's offer
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise

from chaos import rule_one
from chaos.faults import FaultKind
from chaos.observed import FINAL, Event, Observed, Row
from chaos.offers import Guard
from chaos.simulation import Call

_SLACK = 0.5  # seconds by which a trouble may have been noted late
_ATTEMPT = 2.5  # seconds from a POST's arrival until what came of it is written down, at the most
# The status of such an answer arrives whole, and decides.
_STATUS_ARRIVED = (FaultKind.TRUNCATED, FaultKind.TRICKLING)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not be: about which request (or message), and what."""

    about: str
    what: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The figures, and why the run proves nothing even where they are all 0."""

    figures: Mapping[str, tuple[Finding, ...]]
    shortfalls: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every figure is 0, and enough has happened."""
        return not self.shortfalls and not any(self.figures.values())

    @property
    def offenders(self) -> list[str]:
        """What the findings are about, each once."""
        return list(dict.fromkeys(f.about for found in self.figures.values() for f in found))


def judge(seen: Observed) -> Verdict:
    """Judge a run."""
    checks: dict[str, Callable[[Observed], Iterable[Finding]]] = {
        "lost": _lost,
        "ended in two statuses": _two_statuses,
        "unexplained POSTs": _unexplained_posts,
        "rule 1 broken": _rule_one,
        "secrets in logs": lambda seen: [Finding(place, "in a log") for place in seen.secrets],
        "untrue outcomes": _untrue,
        "calls refused": lambda seen: [Finding(call, "refused") for call in seen.refused],
    }
    figures = {name: tuple(check(seen)) for name, check in checks.items()}
    return Verdict(figures, tuple(_shortfalls(seen)))


def records_by_request(seen: Observed) -> dict[str, Row]:
    """The records by their request ids."""
    return {record.request_id: record for record in seen.ledger.records.values()}


def posts_by_offer(seen: Observed) -> dict[str, list[Call]]:
    """The cancel calls that reached the portal, in their order."""
    found: defaultdict[str, list[Call]] = defaultdict(list)
    for call in sorted(seen.calls, key=lambda call: call.at):
        if call.kind == "cancel":
            found[call.offer_id].append(call)
    return found


def _lost(seen: Observed) -> Iterable[Finding]:
    records, events = records_by_request(seen), _events_by_request(seen)
    for request in seen.plan.requests:
        record = records.get(request.request_id)
        if record is None or record.status not in FINAL:
            status = record.status if record else "no record"
            yield Finding(request.request_id, f"{status} at the end")
        if request.request_id not in events:
            yield Finding(request.request_id, "no event")
    rejected = Counter(seen.rejected)
    invalid = [message for message in seen.sent if not message.is_valid]
    for message in invalid:
        digest = sha256(message.name.encode()).hexdigest()
        if not any(digest in e.id and e.status == "rejected" for e in seen.events):
            yield Finding(message.name, "invalid, and no rejected event")
    for text, count in Counter(message.name for message in invalid).items():
        if rejected[text] < count:
            yield Finding(text, f"{rejected[text]} times in the rejected queue, sent {count} times")


def _two_statuses(seen: Observed) -> Iterable[Finding]:
    records, by_request = records_by_request(seen), _events_by_request(seen)
    for request in seen.plan.requests:
        events = by_request.get(request.request_id, [])
        record = records.get(request.request_id)
        statuses = {event.status for event in events} | ({record.status} if record else set())
        if events and len(statuses) > 1:
            yield Finding(request.request_id, f"ended {' and '.join(sorted(statuses))}")
        if len({(event.source, event.id) for event in events}) > 1:
            yield Finding(request.request_id, "repeats of its event have other ids")


def _unexplained_posts(seen: Observed) -> Iterable[Finding]:
    for offer_id, posts in posts_by_offer(seen).items():
        for before, after in pairwise(posts):
            if not _is_explained(before, seen):
                about = seen.plan.offers[offer_id].request_id
                yield Finding(about, f"POST at {after.at:.2f} s after one at {before.at:.2f} s")


def _is_explained(before: Call, seen: Observed) -> bool:
    """By how the POST before was answered, or by what happened while its claimer was at it."""
    if before.fault is not None and before.fault.kind not in _STATUS_ARRIVED:
        return True
    start, end = before.at - _SLACK, before.at + _ATTEMPT
    moments = seen.time_outs.get(before.offer_id, ())
    return any(t.repeats and t.until >= start and t.at <= end for t in seen.troubles) or any(
        start <= moment <= end for moment in moments
    )


def _rule_one(seen: Observed) -> Iterable[Finding]:
    records = seen.ledger.records
    for digest in sorted(seen.rule_one | rule_one.broken_at_rest(seen.ledger)):
        about = records[digest].request_id if digest in records else digest
        due = sorted(seen.ledger.due.get(digest, ()))
        when = "during the run" if digest in seen.rule_one else "at the end"
        yield Finding(about, f"{when}; due rows at the end: {due}")


def _untrue(seen: Observed) -> Iterable[Finding]:
    records = records_by_request(seen)
    for request in seen.plan.requests:
        record = records.get(request.request_id)
        says_canceled = record is not None and record.status == "canceled"
        if says_canceled and request.offer_id not in seen.cancelled:
            yield Finding(request.request_id, "canceled, and its operation runs")
        posted = any(call.acted and call.offer_id == request.offer_id for call in seen.calls)
        if posted and request.offer.guard in (Guard.OVER, Guard.UNKNOWN):
            yield Finding(request.request_id, "its guard does not run, and it was posted")


def _shortfalls(seen: Observed) -> Iterable[str]:
    size, faults = seen.plan.size, sum(call.fault is not None for call in seen.calls)
    if seen.pending:
        yield f"not settled after {seen.seconds:.0f} s: {seen.pending}"
    if len(seen.sent) < seen.plan.messages:
        yield f"{len(seen.sent)} messages sent, not {seen.plan.messages}"
    if seen.kills < size.kills:
        yield f"{seen.kills} kills, not {size.kills}"
    if faults < size.faults:
        yield f"{faults} faults, not {size.faults}"


def _events_by_request(seen: Observed) -> dict[str, list[Event]]:
    found: defaultdict[str, list[Event]] = defaultdict(list)
    for event in seen.events:
        found[event.request_id].append(event)
    return found
