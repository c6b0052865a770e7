"""How a run's end is shown: a table, the figures, and for each offender all that is known of it."""

import json
from collections import Counter
from collections.abc import Iterable
from hashlib import sha256

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from chaos.faults import THROTTLES, FaultKind
from chaos.observed import Observed
from chaos.simulation import Call
from chaos.verdict import Verdict, posts_by_offer, records_by_offer

_SHOWN_OFFENDERS = 10
_HIDDEN_COLUMNS = ("NotificationEmails", "PartitionKey", "RowKey", "Writer")


def show(console: Console, seen: Observed, verdict: Verdict) -> None:
    """Print everything but the path of the logs."""
    table = Table(box=SIMPLE, show_header=False, pad_edge=False)
    for name, value in _rows(seen):
        table.add_row(name, escape(value))
    table.add_section()
    for name, findings in verdict.figures.items():
        style = "bold red" if findings else "green"
        table.add_row(name, f"[{style}]{len(findings)}[/]")
    console.print(table)
    for shortfall in verdict.shortfalls:
        console.print(f"✗ {shortfall}", markup=False, soft_wrap=True)
    for name, findings in verdict.figures.items():
        for finding in findings:
            text = f"✗ {name}: {finding.about}: {finding.what}"
            console.print(text, markup=False, soft_wrap=True)
    for about in verdict.offenders[:_SHOWN_OFFENDERS]:
        for line in _history(seen, about):
            console.print(line, markup=False, soft_wrap=True)
    if verdict.passed:
        console.print(f"✓ every message ended once, seed {seen.plan.seed}")


def _rows(seen: Observed) -> Iterable[tuple[str, str]]:
    posts = [post for posts in posts_by_offer(seen).values() for post in posts]
    faults = Counter(call.fault.kind for call in seen.calls if call.fault)
    by_kind = [f"{faults[kind]} {kind}" for kind in FaultKind]
    statuses = Counter(record.status for record in seen.ledger.records.values())
    by_status = ", ".join(f"{count} {status}" for status, count in statuses.most_common())
    ids = {(event.source, event.id) for event in seen.events}
    others = Counter(trouble.what for trouble in seen.troubles)
    yield "seed", str(seen.plan.seed)
    yield "seconds", f"{seen.seconds:.1f}"
    yield "requests", f"{len(seen.plan.requests)}, and {len(seen.plan.invalid)} invalid messages"
    yield "messages", f"{len(seen.sent)}, of which {seen.plan.copies} are copies"
    yield "kills", str(seen.kills)
    yield "trouble", ", ".join(f"{what} ({n})" for what, n in sorted(others.items()))
    yield "adopted", f"{seen.adopted} messages that the host gave up"
    odd = Counter(odd.oddity for odd in seen.odd_answers)
    yield "odd answers of storage", ", ".join(f"{n} {what}" for what, n in sorted(odd.items()))
    plan = seen.plan
    yield "clocks", f"app 2 {plan.clocks_apart:+.0f} s, portal {plan.portal_clock:+.0f} s"
    yield "calls of the portal", f"{len(seen.calls)}, of which {faults.total()} went wrong"
    yield "faults", "\n".join(by_kind)
    yield "429s", str(sum(faults[kind] for kind in THROTTLES))
    yield "POSTs", f"{len(posts)}, of which {sum(p.needless for p in posts)} had nothing to cancel"
    yield "final records", by_status
    records = seen.ledger.records.values()
    uncertain = sum(bool(row.columns.get("Uncertain")) for row in records)
    yield "uncertain", f"{uncertain}: an attempt of theirs may have arrived before the last one"
    given_up = sum(r.columns.get("ErrorCode") == "InternalError" for r in records)
    yield "given up", f"{given_up}: their claimers died five times in a row"
    yield "events", f"{len(seen.events)}, of which {len(seen.events) - len(ids)} are repeats"


def _history(seen: Observed, about: str) -> Iterable[str]:
    """The records, the events and the calls of one offer."""
    request = seen.plan.offers.get(about)
    if request is None:
        return
    yield f"\n{about}, {request.request_id}: {request.offer}"
    yield from (f"{s.at:8.2f} s  sent as {s.message_id}" for s in seen.sent if s.name == about)
    for record in records_by_offer(seen).get(about, []):
        columns = {n: str(v) for n, v in record.columns.items() if n not in _HIDDEN_COLUMNS}
        yield f"  record  {json.dumps(columns, ensure_ascii=False)}"
    for event in seen.events:
        if event.offer_id == about:
            yield f"{event.at:8.2f} s  event {json.dumps(event.body, ensure_ascii=False)}"
    for call in sorted(seen.calls, key=lambda call: call.at):
        if call.offer_id == request.offer_id:
            yield f"{call.at:8.2f} s  {_call(call)}"
    yield from _odd_answers(seen, request.request_id)
    for trouble in sorted(seen.troubles, key=lambda trouble: trouble.at):
        yield f"{trouble.at:8.2f} s  {trouble.what}, until {trouble.until:.2f} s"


def _odd_answers(seen: Observed, request_id: str) -> Iterable[str]:
    digest = sha256(request_id.encode()).hexdigest()
    for odd in seen.odd_answers:
        if digest in odd.digests:
            yield f"{odd.at:8.2f} s  odd answer of storage: {odd.oddity}"


def _call(call: Call) -> str:
    fault = f"{call.fault.kind}, acted on: {call.fault.acted}" if call.fault else "no fault"
    did = " cancels" * call.acted + " needlessly" * call.needless
    return f"{call.kind} {call.number}: {call.status}; {fault}{did}"
