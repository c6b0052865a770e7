"""Spans and metrics, through OpenTelemetry's API alone.

The Functions worker configures the exporter where telemetry is on; where it is off, all of this
does nothing. Names are what the alerts and the workbook ask for. No attribute ever holds a token,
a query string or an address.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import metrics, trace
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from offer_cancellation.ledger.record import Record
from offer_cancellation.status import ErrorCode
from offer_cancellation.text import mask_secrets, without_emails

_tracer = trace.get_tracer("offer_cancellation")
_meter = metrics.get_meter("offer_cancellation")
_propagator = TraceContextTextMapPropagator()
_SERVER_ERRORS = 400
_MAX_CODES = 50
_codes = {"none", *ErrorCode}

# What alerts and workbook can ask for: the metrics with their attributes, the spans of a request's
# steps, and what any span can carry.
METRICS = {
    "offer_cancellation.requests": frozenset({"status", "code"}),
    "offer_cancellation.polls": frozenset({"answer"}),
    "offer_cancellation.deferrals": frozenset({"cause"}),
    "offer_cancellation.token_failures": frozenset[str](),
    "offer_cancellation.api.duration": frozenset({"operation", "answer"}),
    "offer_cancellation.tick.duration": frozenset[str](),
    "offer_cancellation.poison.depth": frozenset[str](),
    "offer_cancellation.rejected.depth": frozenset[str](),
    "offer_cancellation.pending.count": frozenset[str](),
    "offer_cancellation.pending.oldest_age": frozenset[str](),
}
STEPS = frozenset({"cancel.submit", "cancel.poll"})
SPAN_ATTRIBUTES = frozenset(
    {
        "requestId",
        "offerId",
        "correlationId",
        "operation",
        "http.request.method",
        "http.response.status_code",
        "server.address",
        "server.port",
        "error.type",
    }
)

_requests = _meter.create_counter(
    "offer_cancellation.requests", "{request}", "Requests that ended, by status and code"
)
_polls = _meter.create_counter("offer_cancellation.polls", "{poll}", "Polls, by answer")
_deferrals = _meter.create_counter(
    "offer_cancellation.deferrals", "{deferral}", "Attempts put off, by cause"
)
_token_failures = _meter.create_counter(
    "offer_cancellation.token_failures", "{failure}", "Tokens that could not be had"
)
_api_duration = _meter.create_histogram(
    "offer_cancellation.api.duration", "s", "Calls of the API, by operation and answer"
)
_tick_duration = _meter.create_histogram("offer_cancellation.tick.duration", "s", "Ticks")
_poison_depth = _meter.create_gauge(
    "offer_cancellation.poison.depth", "{message}", "Messages in the poison queue"
)
_rejected_depth = _meter.create_gauge(
    "offer_cancellation.rejected.depth", "{message}", "Originals in the rejected queue"
)
_pending_count = _meter.create_gauge(
    "offer_cancellation.pending.count", "{request}", "Requests that have not ended"
)
_oldest_age = _meter.create_gauge(
    "offer_cancellation.pending.oldest_age", "s", "Age of the oldest request that has not ended"
)


def ended(status: str, code: str | None) -> None:
    """A request has ended, or a message was refused.

    The API has codes of its own; each new one is a time series, so only the first are named.
    """
    code = without_emails(mask_secrets(code)) if code else "none"
    if code not in _codes and len(_codes) < _MAX_CODES:
        _codes.add(code)
    _requests.add(1, {"status": status, "code": code if code in _codes else "other"})


def polled(answer: str) -> None:
    """A location was polled: an HTTP status, or why there was none."""
    _polls.add(1, {"answer": answer})


def put_off(cause: str) -> None:
    """An attempt is tried again later."""
    _deferrals.add(1, {"cause": cause})


def token_failed() -> None:
    """The identity endpoint gave no token."""
    _token_failures.add(1)


def ticked(seconds: float) -> None:
    """A tick took so long."""
    _tick_duration.record(seconds)


def poison_holds(messages: int) -> None:
    """The poison queue's depth."""
    _poison_depth.set(messages)


def rejected_holds(messages: int) -> None:
    """The rejected queue's depth."""
    _rejected_depth.set(messages)


def pending(count: int, oldest_age: float) -> None:
    """How many requests have not ended, and how old (in seconds) the oldest of them is."""
    _pending_count.set(count)
    _oldest_age.set(oldest_age)


@contextmanager
def submission(
    request_id: str,
    offer_id: str,
    correlation_id: str | None,
    traceparent: str | None,
) -> Iterator[None]:
    """The span of one delivery's work on a request."""
    with _step("cancel.submit", request_id, offer_id, correlation_id, traceparent):
        yield


@contextmanager
def poll(record: Record) -> Iterator[None]:
    """The span of one poll."""
    with _step(
        "cancel.poll", record.request_id, record.offer_id, record.correlation_id, record.traceparent
    ):
        yield


@contextmanager
def _step(
    name: str, request_id: str, offer_id: str, correlation_id: str | None, traceparent: str | None
) -> Iterator[None]:
    """A step of a request's life, linked to what asked for it by the stored traceparent."""
    given = {"requestId": request_id, "offerId": offer_id, "correlationId": correlation_id}
    attributes = {
        name: without_emails(mask_secrets(value)) for name, value in given.items() if value
    }
    with _tracer.start_as_current_span(
        name,
        kind=SpanKind.CONSUMER,
        links=_links(traceparent),
        attributes=attributes,
        record_exception=False,  # its text may quote a message
    ):
        yield


def traceparent() -> str | None:
    """The current span as a W3C traceparent; None where telemetry is off."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent")


class ApiCall:
    """The span and the duration of one call of the API; `answer` is set when it is known."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self.answer = "none"

    def answered(self, status: int) -> None:
        """It was answered with an HTTP status."""
        self.answer = str(status)
        self._span.set_attribute("http.response.status_code", status)
        if status >= _SERVER_ERRORS:
            self._span.set_status(Status(StatusCode.ERROR))

    def failed(self, cause: str) -> None:
        """It was not answered."""
        self.answer = cause
        self._span.set_attribute("error.type", cause)
        self._span.set_status(Status(StatusCode.ERROR))


@contextmanager
def api_call(method: str, operation: str, host: str, port: int) -> Iterator[ApiCall]:
    """Measures one call of the API: a dependency named by its operation, never by its URL.

    `operation` is an attribute, too: Application Insights names HTTP dependencies in its own way.
    """
    attributes: dict[str, str | int] = {
        "http.request.method": method,
        "operation": operation,
        "server.address": host,
        "server.port": port,
    }
    started = time.perf_counter()
    with _tracer.start_as_current_span(
        f"{method} {operation}",
        kind=SpanKind.CLIENT,
        attributes=attributes,
        record_exception=False,
    ) as span:
        call = ApiCall(span)
        try:
            yield call
        finally:
            labels = {"operation": operation, "answer": call.answer}
            _api_duration.record(time.perf_counter() - started, labels)


def _links(parent: str | None) -> list[Link]:
    if not parent:
        return []
    context = _propagator.extract({"traceparent": parent})
    return [Link(trace.get_current_span(context).get_span_context())]
