"""The judgement: what was promised, against what was seen. Pure.

Each figure is a list of findings, and must be empty:

lost                   a request without a final record or without an event; an invalid message
                       without its rejected event, or whose text is not in the rejected queue
ended in two statuses  events that disagree with each other or with the record
unexplained POSTs      a POST beyond an offer's first, although the one before it was answered and
                       its claimer lived to write that down, or without a look in between
rule 1 broken          see `rule_one`
secrets                a token in a log, a record or an event; a query string or an address in a log
cookies                calls that sent one
untrue outcomes        canceled, says the record, and the operation runs on; not running, failed or
                       untrusted, and it is not so; ended by a bug
calls refused          calls that break the API's contract, or are for nobody's offer
left in the poison     messages that no tick adopted
queue
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise

from chaos import rule_one
from chaos.faults import THROTTLES, FaultKind
from chaos.messages import Request
from chaos.observed import FINAL, Event, Observed, Row
from chaos.offers import Guard, Place
from chaos.simulation import Call

_SLACK = 0.5  # seconds by which a trouble may have been noted late
_ATTEMPT = 2.5  # seconds from a POST's arrival until what came of it is written down, at the most
# Its status arrives: a refusal counts, a 2xx is not believed without its body.
_BROKEN_OFF = (FaultKind.TRUNCATED, FaultKind.TRICKLING)
_REFUSAL = 400
_AMBIGUOUS_AFTER_UNCERTAIN = (400, 404, 409)  # perhaps because the first POST is at work
_LOOKS = ("submissions", "operation")


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
        "secrets": lambda seen: [Finding(place, "found") for place in seen.secrets],
        "cookies": lambda seen: [Finding(call, "sent a cookie") for call in seen.cookies],
        "untrue outcomes": _untrue,
        "calls refused": lambda seen: [Finding(call, "refused") for call in seen.refused],
        "left in the poison queue": lambda seen: (
            [Finding("poison queue", "a message")] * seen.poison
        ),
    }
    figures = {name: tuple(check(seen)) for name, check in checks.items()}
    return Verdict(figures, tuple(_shortfalls(seen)))


def records_by_offer(seen: Observed) -> dict[str, list[Row]]:
    """The records by their offers: one, or more where a request has no id of its own."""
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for record in seen.ledger.records.values():
        found[record.offer_id].append(record)
    return found


def posts_by_offer(seen: Observed) -> dict[str, list[Call]]:
    """The cancel calls that reached the portal, in their order."""
    found: defaultdict[str, list[Call]] = defaultdict(list)
    for call in sorted(seen.calls, key=lambda call: call.at):
        if call.kind == "cancel":
            found[call.offer_id].append(call)
    return found


def _lost(seen: Observed) -> Iterable[Finding]:
    records, told = records_by_offer(seen), {event.offer_id for event in seen.events}
    for offer_id, request in seen.plan.offers.items():
        found = records.get(offer_id, [])
        if not found:
            yield Finding(offer_id, "no record at the end")
        for status in {record.status for record in found} - FINAL:
            yield Finding(offer_id, f"{status} at the end")
        if request.has_id and {record.request_id for record in found} - {request.request_id}:
            yield Finding(offer_id, "a record under another id than its own")
        if offer_id not in told:
            yield Finding(offer_id, "no event")

    yield from _lost_texts(seen)


def _lost_texts(seen: Observed) -> Iterable[Finding]:
    rejected, ids = Counter(seen.rejected), {event.id for event in seen.events}
    invalid = [message for message in seen.sent if not message.is_valid]
    for message in invalid:
        digest = sha256(message.name.encode()).hexdigest()
        if f"message:{digest}:rejected" not in ids:
            yield Finding(message.name, "invalid, and no rejected event")
    for text, count in Counter(message.name for message in invalid).items():
        if rejected[text] < count:
            yield Finding(text, f"{rejected[text]} times in the rejected queue, sent {count} times")


def _two_statuses(seen: Observed) -> Iterable[Finding]:
    records = {record.request_id: record for record in seen.ledger.records.values()}
    by_request: defaultdict[str, list[Event]] = defaultdict(list)
    for event in seen.events:
        if event.offer_id in seen.plan.offers:
            by_request[event.request_id].append(event)

    for request_id, events in by_request.items():
        record = records.get(request_id)
        statuses = {event.status for event in events} | ({record.status} if record else set())
        about = events[0].offer_id
        if len(statuses) > 1:
            yield Finding(about, f"ended {' and '.join(sorted(statuses))}")
        if len({(event.source, event.id) for event in events}) > 1:
            yield Finding(about, "repeats of its event have other ids")
        if any(event.id != _event_id(event) for event in events):
            yield Finding(about, "an event's id is not made as promised")
        if record is None:
            yield Finding(about, f"an event of {request_id}, which has no record")


def _event_id(event: Event) -> str:
    requested_at = event.body.get("data", {}).get("requestedAt")
    return f"{event.request_id}:{requested_at}:1:{event.status}"


def _unexplained_posts(seen: Observed) -> Iterable[Finding]:
    records = records_by_offer(seen)
    for offer_id, posts in posts_by_offer(seen).items():
        found = records.get(offer_id, [])
        if len(found) > 1:  # its message had no id, and the host gave it up after it was sent anew
            continue

        is_uncertain = any(record.columns.get("Uncertain") for record in found)
        for before, after in pairwise(posts):
            what = _fault_of_repeat(before, after, seen, is_uncertain=is_uncertain)
            if what:
                yield Finding(
                    offer_id, f"POST at {after.at:.2f} s after one at {before.at:.2f} s: {what}"
                )


def _fault_of_repeat(before: Call, after: Call, seen: Observed, *, is_uncertain: bool) -> str:
    """Why the second POST should not have been; empty when it is explained."""
    if before.fault is not None and before.fault.kind in THROTTLES:
        return ""
    is_ambiguous = is_uncertain and before.status in _AMBIGUOUS_AFTER_UNCERTAIN
    if not (is_ambiguous or _may_be_uncertain(before, seen)):
        return "the first was answered"

    has_looked = any(
        call.offer_id == before.offer_id and call.kind in _LOOKS and before.at < call.at < after.at
        for call in seen.calls
    )
    return "" if has_looked else "without a look"


def _may_be_uncertain(post: Call, seen: Observed) -> bool:
    """By how it was answered, or by what happened while its claimer was at it."""
    if post.fault and (post.fault.kind not in _BROKEN_OFF or post.status < _REFUSAL):
        return True

    start, end = post.at - _SLACK, post.at + _ATTEMPT
    digest = sha256(seen.plan.offers[post.offer_id].request_id.encode()).hexdigest()
    return (
        any(t.repeats and t.until >= start and t.at <= end for t in seen.troubles)
        or any(start <= moment <= end for moment in seen.time_outs.get(post.offer_id, ()))
        or any(start <= odd.at <= end and digest in odd.digests for odd in seen.odd_answers)
    )


def _rule_one(seen: Observed) -> Iterable[Finding]:
    records = seen.ledger.records
    for digest in sorted(seen.rule_one | rule_one.broken_at_rest(seen.ledger)):
        about = records[digest].offer_id if digest in records else digest
        due = sorted(seen.ledger.due.get(digest, ()))
        when = "during the run" if digest in seen.rule_one else "at the end"
        yield Finding(about, f"{when}; due rows at the end: {due}")


def _untrue(seen: Observed) -> Iterable[Finding]:
    records = records_by_offer(seen)
    for offer_id, request in seen.plan.offers.items():
        for record in records.get(offer_id, []):
            is_cancelled = offer_id in seen.cancelled
            if what := _untruth(record, request, is_cancelled=is_cancelled):
                yield Finding(offer_id, what)

        posted = any(call.acted and call.offer_id == offer_id for call in seen.calls)
        if posted and request.offer.guard in (Guard.OVER, Guard.UNKNOWN):
            yield Finding(offer_id, "its guard does not run, and it was posted")


def _untruth(record: Row, request: Request, *, is_cancelled: bool) -> str:
    """What a record says that is not so; empty when all of it is."""
    offer, code = request.offer, record.columns.get("ErrorCode")
    may_run = offer.guard in (Guard.NONE, Guard.RUNNING)
    untruths = {
        "canceled, and its operation runs": record.status == "canceled" and not is_cancelled,
        "ended by a bug": code == "InternalError" and request.deaths is None,
        "not running, it says, and it runs": code == "OperationNotRunning"
        and may_run
        and not is_cancelled,
        "a trusted location, called untrusted": code == "UntrustedLocation"
        and offer.place is not Place.ELSEWHERE,
        "failed, it says, and it did not": code == "OperationFailed" and offer.end != "failed",
    }
    return ", ".join(what for what, is_so in untruths.items() if is_so)


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
