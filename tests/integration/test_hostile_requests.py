"""Messages that mean no good: each is refused once, kept as it was, and nothing breaks."""

import base64
import json

import psutil
import pytest
from azure.functions.queue import QueueMessage

from tests.integration.harness import PUBLISHER, Harness

KIB, MIB = 1024, 1024 * 1024
MEMORY_LIMIT = 16 * MIB
GOOD = '"publisherId": "contoso", "offerId": "an-offer"'


def _with(**fields: object) -> str:
    return json.dumps({"publisherId": PUBLISHER, "offerId": "an-offer", **fields})


def _base64(body: bytes) -> str:
    return base64.b64encode(body).decode()


TEXTS = {
    "64 KiB of nothing": "x" * 64 * KIB,
    "64 KiB of JSON": _with(correlationId="x" * (63 * KIB)),
    "64 KiB of fields": _with(**{f"field{number}": 1 for number in range(4000)}),
    "64 KiB of commas": _with(notificationEmails="," * (63 * KIB)),
    "64 KiB of doubled keys": "{" + '"x":1,' * (10 * KIB) + GOOD + "}",
    "a key of 31 KiB twice": "{" + f'"{"x@" * 15_000}":1,' * 2 + GOOD + "}",
    "64 KiB of markup": _with(correlationId="<>&" * (21 * KIB)),
    "PowerShell's UTF-16": _base64(f"{{{GOOD}}}".encode("utf-16-le")),
    "an address in disguise": _with(notificationEmails="a\uff0cb@contoso.com"),
    "a token as an id": _with(requestId="Bearer abc"),
    "deep arrays": "[" * 30_000,
    "deep objects": '{"a":' * 10_000 + "1" + "}" * 10_000,
    "deep data": _with(notificationEmails=json.loads("[" * 400 + "]" * 400)),
    "a huge number": '{"publisherId": ' + "9" * 60_000 + "}",
    "a huge exponent": '{"publisherId": 1e999999, "offerId": 1}',
    "NaN": '{"publisherId": NaN, "offerId": "an-offer"}',
    "a key twice": '{"operationId": "11111111-2222-3333-4444-555555555555", "operationId": "", '
    + GOOD + "}",
    "a key twice, escaped": '{"publisherId": "contoso", "publisher\\u0049d": "fabrikam", '
    '"offerId": "an-offer"}',
    "NUL": _with(requestId="a\0b"),
    "control characters": _with(correlationId="a\x1b[31mb"),
    "a line break in an id": _with(requestId="a\r\nX-Injected: 1"),
    "header injection": _with(offerId="offer\r\nX-Injected: 1"),
    "a path": _with(offerId="../../other/offers/theirs"),
    "an encoded path": _with(offerId="..%2f..%2fother"),
    "dots": _with(offerId=".."),
    "a query": _with(offerId="offer?api-version=1"),
    "a fragment": _with(publisherId="contoso#"),
    "a slash": _with(publisherId="contoso/offers/theirs"),
    "a lone surrogate": '{"requestId": "\\ud800", ' + GOOD + "}",
    "look-alike letters": _with(publisherId="cont\u043eso"),
    "full-width digits": _with(offerId="\uff11"),
    "a right-to-left override": _with(requestId="a\u202eb"),
    "an array of requests": f"[{{{GOOD}}}, {{{GOOD}}}]",
    "not UTF-8 in base64": _base64(b'{"publisherId": "\xff\xfe"}'),
    "UTF-16 in base64": _base64(f"{{{GOOD}}}".encode("utf-16")),
    "base64 that is none": "e30=====e30",
    "base64 of base64": _base64(_base64(f"{{{GOOD}}}".encode()).encode()),
    "a string": '"publisherId"',
    "XML": "<request/>",
    "e-mail injection": _with(notificationEmails="a@contoso.com\r\nBcc: b@contoso.com"),
    "many addresses": _with(notificationEmails=["a@contoso.com"] * 51),
}  # fmt: skip


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
async def test_refused(harness: Harness, text: str) -> None:
    """It becomes one rejected event and one kept original; nothing is posted or written."""
    process = psutil.Process()
    await harness.send(text)
    before = process.memory_info().rss
    await harness.deliver()
    growth = process.memory_info().rss - before
    print(f"\nmemory: {growth / MIB:+.1f} MiB")  # noqa: T201 - its output
    (event,) = await harness.outcomes()
    assert ("rejected", "InvalidRequest") == (
        event["data"]["status"],
        event["data"]["error"]["code"],
    )
    assert len(json.dumps(event)) < 48 * KIB
    assert [text] == await harness.rejected()
    assert growth < MEMORY_LIMIT


@pytest.mark.parametrize(
    "body",
    [b"\xff\xfe\x00", b"\x00", b'{"publisherId": "\x00"}', b"\xed\xa0\x80", b"{\x0b}"],
    ids=repr,
)
async def test_body_that_no_queue_can_hold(harness: Harness, body: bytes) -> None:
    """A body that is no text is kept as base64, and refused like any other."""
    await harness.handle(
        QueueMessage(  # type: ignore[no-untyped-call]
            id="m-1", body=body, dequeue_count=1, insertion_time=harness.clock()
        )
    )
    assert "InvalidRequest" == (await harness.outcome())["error"]["code"]
    assert [body] == [base64.b64decode(text) for text in await harness.rejected()]


async def test_a_byte_order_mark(harness: Harness) -> None:
    """A byte order mark, which some producers write, does no harm."""
    body = json.dumps({"publisherId": PUBLISHER, "offerId": harness.offer, "requestId": "bom"})
    await harness.send(_base64(b"\xef\xbb\xbf" + body.encode()))
    await harness.deliver()
    assert await harness.has_record("bom")
