"""What an operator sees of a request: spans, metrics and log records, and no secret in any."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from local.portal.script import Answer
from offer_cancellation import telemetry
from tests.integration.harness import REQUEST_ID, Harness
from tests.integration.leaks import EMAIL, QUERY, TOKEN

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"
IDS = {"requestId": REQUEST_ID, "correlationId": "release-42"}


@dataclass
class Seen:
    """What was exported since the last look."""

    spans: InMemorySpanExporter
    reader: InMemoryMetricReader

    def named(self, name: str) -> list[ReadableSpan]:
        """The spans of a name, in order."""
        return [span for span in self.spans.get_finished_spans() if span.name == name]

    def points(self) -> dict[str, list[Any]]:
        """The data points of each of the app's metrics."""
        data = self.reader.get_metrics_data()
        assert data is not None
        found = [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics]
        return {metric.name: list(metric.data.data_points) for metric in found}


@pytest.fixture(scope="session")
def exporters() -> Seen:
    """OpenTelemetry as the worker configures it, but into memory; once a process."""
    seen = Seen(InMemorySpanExporter(), InMemoryMetricReader())
    tracing = TracerProvider()
    tracing.add_span_processor(SimpleSpanProcessor(seen.spans))
    trace.set_tracer_provider(tracing)
    metrics.set_meter_provider(MeterProvider([seen.reader]))
    return seen


@pytest.fixture
def seen(exporters: Seen) -> Iterator[Seen]:
    """The exporters, emptied."""
    exporters.spans.clear()
    yield exporters
    exporters.spans.clear()


async def _canceled_after_two_polls(harness: Harness) -> None:
    harness.accept(Answer(200, {"status": "running"}), Answer(200, {"status": "completed"}))
    await harness.submit(
        correlationId="release-42", traceparent=TRACEPARENT, notificationEmails="jane@contoso.com"
    )
    await harness.tick_after(60)
    await harness.tick_after(600)
    await harness.ends("canceled")


def _sum(points: list[Any], **labels: str) -> int:
    """The counter's value over the points with these labels."""
    return sum(p.value for p in points if labels.items() <= dict(p.attributes).items())


async def test_spans(harness: Harness, seen: Seen) -> None:
    """One for the submission, one for each poll, linked by the stored traceparent."""
    await _canceled_after_two_polls(harness)
    (submit,), polls = seen.named("cancel.submit"), seen.named("cancel.poll")
    assert 2 == len(polls)
    for span in (submit, *polls):
        assert {**IDS, "offerId": harness.offer} == dict(span.attributes or {})
        assert [TRACE] == [f"{link.context.trace_id:032x}" for link in span.links]


async def test_calls_of_the_api(harness: Harness, seen: Seen) -> None:
    """Dependencies named by their operation, within the step that made them, without a URL."""
    await _canceled_after_two_polls(harness)
    (submit,), polls = seen.named("cancel.submit"), seen.named("cancel.poll")
    (post,), gets = seen.named("POST cancel"), seen.named("GET location")
    port = int(harness.around.portal.url.rpartition(":")[2])
    assert {
        "http.request.method": "POST",
        "operation": "cancel",
        "server.address": "127.0.0.1",
        "server.port": port,
        "http.response.status_code": 202,
    } == dict(post.attributes or {})
    parents = [span.parent.span_id for span in (post, *gets) if span.parent]
    assert parents == [s.context.span_id for s in (submit, *polls) if s.context]


async def test_without_a_traceparent_the_submission_is_linked(harness: Harness, seen: Seen) -> None:
    """A request that brings no trace of its own gets that of its submission."""
    harness.accept(Answer(200, {"status": "completed"}))
    await harness.submit()
    await harness.tick_after(60)
    (submit,), (poll,) = seen.named("cancel.submit"), seen.named("cancel.poll")
    assert submit.context is not None
    assert [submit.context.span_id] == [link.context.span_id for link in poll.links]
    assert f"{submit.context.trace_id:032x}" in (await harness.outcome())["traceparent"]


async def test_metrics(harness: Harness, seen: Seen) -> None:
    """Requests by outcome, polls by answer, deferrals by cause, durations and gauges."""
    before = seen.points()
    await _canceled_after_two_polls(harness)
    harness.script(cancel=[Answer(503)])
    await harness.submit(requestId="put-off")
    await harness.submit(publisherId="not/valid")
    copy_id = await harness.give_up("no JSON")
    assert copy_id in {copy.id for copy in await harness.services.poison.receive(3600)}
    await harness.tick_after(300)
    found = seen.points()

    def grown(name: str, **labels: str) -> int:
        name = f"offer_cancellation.{name}"
        return _sum(found[name], **labels) - _sum(before.get(name, []), **labels)

    assert 1 == grown("requests", status="canceled", code="none")
    assert 1 == grown("requests", status="rejected", code="InvalidRequest")
    assert 2 == grown("polls", answer="200")
    assert 1 == grown("deferrals", cause="http-503")
    gauges = {
        "poison.depth": 1,
        "rejected.depth": 1,
        "pending.count": 1,
        "pending.oldest_age": 300,
    }
    assert gauges == {name: found[f"offer_cancellation.{name}"][0].value for name in gauges}
    calls = {
        (p.attributes["operation"], p.attributes["answer"]): p.count
        for p in found["offer_cancellation.api.duration"]
    }
    assert calls[("cancel", "202")] >= 1
    assert calls[("location", "200")] >= 2
    assert sum(p.count for p in found["offer_cancellation.tick.duration"]) >= 3


async def test_token_failures(harness: Harness, seen: Seen) -> None:
    """A token that could not be had is counted, and its deferral, too."""
    before = seen.points()
    harness.around.identity.down = True
    await harness.submit()
    found = seen.points()
    for name, labels in (("token_failures", {}), ("deferrals", {"cause": "token"})):
        name = f"offer_cancellation.{name}"  # noqa: PLW2901 - the full name
        assert _sum(found[name], **labels) > _sum(before.get(name, []), **labels)


async def test_declared(harness: Harness, seen: Seen) -> None:
    """What the module declares is what is emitted: alerts and workbook are checked against it."""
    harness.around.identity.down = True
    await harness.submit(requestId="put-off")
    harness.around.identity.down = False

    await _canceled_after_two_polls(harness)

    spans = seen.spans.get_finished_spans()
    carried = {
        name: {key for point in points for key in point.attributes}
        for name, points in seen.points().items()
    }
    assert carried == telemetry.METRICS
    assert telemetry.STEPS == {span.name for span in spans if span.kind is SpanKind.CONSUMER}
    assert telemetry.SPAN_ATTRIBUTES >= {key for span in spans for key in span.attributes or {}}


async def test_log_records(harness: Harness, seen: Seen, caplog: pytest.LogCaptureFixture) -> None:
    """Each record of a request's life carries its ids."""
    del seen
    caplog.set_level(logging.INFO)
    await _canceled_after_two_polls(harness)
    life = [r for r in caplog.records if getattr(r, "requestId", None) == REQUEST_ID]
    assert [
        "cancel.claimed", "cancel.accepted", "poll.status", "outcome.sent",
    ] == [record.message for record in life]  # fmt: skip
    for record in life:
        assert {**IDS, "offerId": harness.offer, "traceparent": TRACEPARENT} == {
            name: getattr(record, name) for name in (*IDS, "offerId", "traceparent")
        }


async def test_nothing_secret(harness: Harness, seen: Seen) -> None:
    """No token, no query string and no e-mail address is in a span or in a metric."""
    await _canceled_after_two_polls(harness)
    texts = [span.to_json() for span in seen.spans.get_finished_spans()]
    texts += [str(seen.points())]
    assert [] == [t for t in texts for p in (TOKEN, QUERY, EMAIL) if p.search(t)]


async def test_codes_are_bounded(harness: Harness, seen: Seen) -> None:
    """An API can make up as many codes as it likes: the metric names fifty, the rest are other."""
    answers = [
        Answer(400, {"error": {"code": f"MadeUp{number}", "message": "no"}}) for number in range(60)
    ]
    harness.script(cancel=answers)

    for number in range(60):
        await harness.send(None, requestId=f"r-{number}")
    while await harness.deliver():
        pass

    codes = {p.attributes["code"] for p in seen.points()["offer_cancellation.requests"]}
    assert "other" in codes
    assert len(codes) <= 51


async def test_ids_are_masked_in_spans(harness: Harness, seen: Seen) -> None:
    """A producer may use an address as an id: no span shows it."""
    harness.accept(Answer(200, {"status": "completed"}))
    await harness.submit(requestId="jane@contoso.com", correlationId="for joe@contoso.com")
    await harness.tick_after(60)

    for span in (*seen.named("cancel.submit"), *seen.named("cancel.poll")):
        assert "contoso.com" not in span.to_json()
    assert 1 == len(seen.named("cancel.poll"))


async def test_a_fault_is_named_by_its_type(harness: Harness, seen: Seen) -> None:
    """Its text, which may quote a message, is in no span."""
    record = harness.new_record()
    steps = (
        telemetry.submission(REQUEST_ID, harness.offer, None, None),
        telemetry.poll(record),
        telemetry.api_call("POST", "cancel", "localhost", 443),
    )

    for step in steps:
        with pytest.raises(ValueError, match="jane"), step:
            raise ValueError("jane@contoso.com")

    spans = seen.spans.get_finished_spans()
    assert ["ValueError", "ValueError", None] == [span.status.description for span in spans]
    assert "jane" not in "".join(span.to_json() for span in spans)


async def test_a_code_that_is_an_address(
    harness: Harness, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No metric shows one, whatever the API puts into a code."""
    monkeypatch.setattr(telemetry, "_codes", {"none"})  # as in a new process
    code = "NoSuchUser:jane@contoso.com"
    harness.script(cancel=[Answer(400, {"error": {"code": code, "message": "no"}})])

    await harness.submit()

    assert "contoso.com" not in str(seen.points()["offer_cancellation.requests"])
