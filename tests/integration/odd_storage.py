"""Storage that answers oddly: a transport under the real SDK clients, in front of Azurite.

A fault belongs to one kind of call. It is carried out by Azurite or not; either way the client
gets another answer than the real one. Waits between the SDKs' own tries take no time.
"""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Self
from urllib.parse import unquote

import aiohttp
from azure.core.pipeline.transport import AioHttpTransport
from multidict import CIMultiDict

from offer_cancellation.credential import Credentials
from offer_cancellation.ledger.table import Ledger
from offer_cancellation.outcome import Outcomes
from offer_cancellation.services import Services
from offer_cancellation.storage import (
    PoisonQueue,
    RejectedQueue,
    SendQueue,
    ledger_table,
    queue_client,
)


class Call(StrEnum):
    """What the app asks of storage."""

    INSERT = "insert a record"
    SAVE = "save a record"
    REMOVE = "remove due rows"
    CREATE_TABLE = "create the table"
    GET_RECORD = "get a record"
    GET_DUE_ROW = "get a due row"
    QUERY = "query a range"
    DELETE_RECORD = "delete a record"
    SEND_REQUEST = "send to the requests"
    SEND_OUTCOME = "send to the outcomes"
    SEND_REJECTED = "send to the rejected"
    CREATE_QUEUE = "create a queue"
    COUNT = "count messages"
    RECEIVE = "receive copies"
    HIDE = "hide a copy"
    DELETE_COPY = "delete a copy"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, as it goes over the wire."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    def saying(self, body: bytes, **headers: str) -> Self:
        """The same with another body."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return replace(self, body=body, headers={**self.headers, **named})


Oddity = Callable[[Reply], Reply]
"""Makes an odd answer of the real one, or raises what a connection raises."""


@dataclass(slots=True)
class Fault:
    """Odd answers to one kind of call, one after the other and from the start again."""

    call: Call
    oddities: list[Oddity]
    is_carried_out: bool
    times: int | None = None  # None: until it is lifted
    given: int = 0

    def next(self, call: Call | None) -> Oddity | None:
        """What is wrong with the answer to this call."""
        if call is not self.call or self.given == self.times:
            return None

        self.given += 1
        return self.oddities[(self.given - 1) % len(self.oddities)]


@dataclass(slots=True)
class OddSession:
    """An aiohttp session whose answers can be odd."""

    session: aiohttp.ClientSession
    fault: Fault | None = None
    calls: Counter[Call | None] = field(default_factory=Counter)
    auto_decompress: bool = False

    async def request(self, method: str, url: str, **options: Any) -> Any:
        """Sends, or does not, and answers."""
        call = call_of(method, unquote(url), options.get("data"))
        self.calls[call] += 1
        oddity = self.fault.next(call) if self.fault else None
        if oddity is None:
            return await self.session.request(method, url, **options)

        reply = Reply(200, b"", {})
        if self.fault and self.fault.is_carried_out:
            real = await self.session.request(method, url, **options)
            reply = Reply(real.status, await real.read(), dict(real.headers))

        return _Response(oddity(reply))

    async def __aenter__(self) -> Self:
        return self

    async def close(self) -> None:
        """Nothing: the session is its owner's."""


class _Response:
    """As much of an aiohttp response as the SDKs' transport reads."""

    reason = "Odd"

    def __init__(self, reply: Reply) -> None:
        self.status, self._body = reply.status, reply.body
        self.headers = CIMultiDict(reply.headers)

    async def read(self) -> bytes:
        if self._body is CUT:
            raise aiohttp.ClientPayloadError("the body was cut")
        return self._body

    def close(self) -> None:
        """Nothing is open."""


class Impatient(AioHttpTransport):  # type: ignore[misc]  # exported untyped
    """A transport that does not wait between tries."""

    def __init__(self, session: OddSession) -> None:
        super().__init__(session=session, session_owner=False)

    async def sleep(self, _duration: float) -> None:
        """Lets the others go on, and takes no time."""
        await asyncio.sleep(0)


CUT = bytes(bytearray(b"cut"))
HTML = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><p>Hello<br></body></html>"


def call_of(method: str, url: str, data: Any) -> Call | None:
    """Which of the app's calls a request is."""
    path, _, query = url.partition("?")
    if path.endswith("$batch"):
        return _transaction(data if isinstance(data, str) else bytes(data or b"").decode())
    if path.endswith("/Tables"):
        return Call.CREATE_TABLE
    if path.endswith("()"):
        return Call.QUERY
    if "(PartitionKey=" in path:
        if method == "DELETE":
            return Call.DELETE_RECORD
        return Call.GET_RECORD if "RowKey='request-" in path else Call.GET_DUE_ROW
    if path.endswith("/messages"):
        return _message_call(method, path)
    if "/messages/" in path:
        return Call.HIDE if method == "PUT" else Call.DELETE_COPY
    if method == "PUT":
        return Call.CREATE_QUEUE
    return Call.COUNT if "comp=metadata" in query else None


def _transaction(body: str) -> Call:
    lines = [unquote(line) for line in re.findall(r"^(?:POST|PUT|DELETE) \S+", body, re.MULTILINE)]
    if any(line.startswith("POST") and "$batch" not in line for line in lines):
        return Call.INSERT
    if any(line.startswith("PUT") and "'request-" in line for line in lines):
        return Call.SAVE
    return Call.REMOVE


def _message_call(method: str, path: str) -> Call:
    if method == "GET":
        return Call.RECEIVE
    if "/outcomes-" in path:
        return Call.SEND_OUTCOME
    return Call.SEND_REJECTED if "-rejected/" in path else Call.SEND_REQUEST


def under(services: Services, session: OddSession) -> Services:
    """The same services, their storage reached through the session."""
    settings, credentials = services.settings, Credentials()

    def queue(name: str) -> Any:
        return queue_client(settings, credentials, name, Impatient(session))

    return replace(
        services,
        ledger=Ledger(ledger_table(settings, credentials, Impatient(session))),
        outcomes=Outcomes(SendQueue(queue(settings.outcome_queue)), settings.source),
        requests=SendQueue(queue(settings.cancel_queue)),
        rejected=RejectedQueue(queue(settings.rejected_queue)),
        poison=PoisonQueue(queue(settings.poison_queue)),
    )


# What an answer can be.


def _status(status: int, body: bytes = b"", kind: str = "text/html") -> Oddity:
    return lambda _: Reply(status, body, {"Content-Type": kind} if body else {})


def _raising(error: Exception) -> Oddity:
    def odd(_: Reply) -> Reply:
        raise error

    return odd


def _in_place(pattern: bytes, text: bytes) -> Oddity:
    """The real answer with something changed; where it was not carried out, an empty one."""
    return lambda reply: reply.saying(re.sub(pattern, text, reply.body, flags=re.DOTALL))


def _without_header(name: str) -> Oddity:
    return lambda reply: replace(
        reply, headers={k: v for k, v in reply.headers.items() if k.lower() != name}
    )


ANY: dict[str, Oddity] = {
    "empty": lambda reply: reply.saying(b""),
    "html": lambda reply: reply.saying(HTML, Content_Type="text/html"),
    "html as json": lambda reply: reply.saying(HTML, Content_Type="application/json"),
    "cut": lambda reply: reply.saying(CUT),
    "cut, closed in time": lambda reply: reply.saying(reply.body[: len(reply.body) // 2]),
    "a list": lambda reply: reply.saying(b"[]", Content_Type="application/json"),
    "another xml": lambda reply: reply.saying(b"<a><b/></a>", Content_Type="application/xml"),
    "bytes": lambda reply: reply.saying(b"\x00\xff\xfe", Content_Type="application/json"),
    "no headers": lambda reply: Reply(reply.status, reply.body, {}),
    "reset": _raising(aiohttp.ClientOSError(104, "Connection reset by peer")),
    "disconnected": _raising(aiohttp.ServerDisconnectedError()),
    "time-out": _raising(TimeoutError()),
    "not wrapped": _raising(ConnectionResetError()),
    **{f"{status} empty": _status(status) for status in (200, 201, 202, 203, 204, 206)},
    **{f"{status} html": _status(status, HTML) for status in (200, 202, 400, 404, 500)},
    **{
        f"{status}": _status(status)
        for status in (301, 304, 400, 403, 404, 409, 412, 413, 429, 500, 503)
    },
    **{
        f"{status} json": _status(status, b'{"odata.error": {"code": 7}}', "application/json")
        for status in (404, 409, 412)
    },
}
TRANSACTION: dict[str, Oddity] = {
    "no parts": lambda reply: reply.saying(b"--b--", Content_Type="multipart/mixed; boundary=b"),
    "no etag": _in_place(rb"(?i)etag: [^\r\n]*\r\n", b""),
    "an empty etag": _in_place(rb"(?i)etag: [^\r\n]*\r\n", b"ETag: \r\n"),
    "too few parts": lambda reply: reply.saying(_parts(reply, 1)),
    "too many parts": lambda reply: reply.saying(_parts(reply, 7)),
    "parts without a status": _in_place(rb"HTTP/1.1 20\d[^\r\n]*", b"HTTP/1.1"),
    "parts of another kind": _in_place(rb"application/http", b"text/plain"),
    "another boundary": lambda reply: reply.saying(
        reply.body, Content_Type="multipart/mixed; boundary=other"
    ),
    "no boundary": lambda reply: reply.saying(reply.body, Content_Type="multipart/mixed"),
}
ROW: dict[str, Oddity] = {
    "another row": _in_place(rb'"RowKey":"[^"]*"', b'"RowKey":"request-another"'),
    "no keys": _in_place(rb'"RowKey":"[^"]*",?', b""),
    "no etag": _in_place(rb'"odata.etag":"[^"]*",?', b'"odata.etag":"",'),
    "an empty object": lambda reply: reply.saying(b"{}", Content_Type="application/json"),
}
LIST: dict[str, Oddity] = {
    "no value": lambda reply: reply.saying(b"{}", Content_Type="application/json"),
    "a null value": lambda reply: reply.saying(b'{"value":null}', Content_Type="application/json"),
    "texts": lambda reply: reply.saying(b'{"value":["a"]}', Content_Type="application/json"),
    "rows without keys": lambda reply: reply.saying(b'{"value":[{}]}'),
    "other rows": lambda reply: reply.saying(b'{"value":[{"RowKey":"zzz"}]}'),
    "each row twice": lambda reply: reply.saying(_twice(reply.body)),
    "the same continuation": lambda reply: reply.saying(
        reply.body,
        x_ms_continuation_NextPartitionKey="0",
        x_ms_continuation_NextRowKey="due-",
    ),
}
MESSAGES: dict[str, Oddity] = {
    "no id": _in_place(rb"<MessageId>.*?</MessageId>", b""),
    "no receipt": _in_place(rb"<PopReceipt>.*?</PopReceipt>", b""),
    "no text": _in_place(rb"<MessageText>.*?</MessageText>", b""),
    "no dates": _in_place(rb"<(\w+Time|TimeNextVisible)>.*?</\1>", b""),
    "no receipt header": _without_header("x-ms-popreceipt"),
}
SPECIAL: dict[Call, dict[str, Oddity]] = {
    **dict.fromkeys((Call.INSERT, Call.SAVE, Call.REMOVE), TRANSACTION),
    **dict.fromkeys((Call.GET_RECORD, Call.GET_DUE_ROW), ROW),
    Call.QUERY: LIST,
    **dict.fromkeys(
        (Call.SEND_REQUEST, Call.SEND_OUTCOME, Call.SEND_REJECTED, Call.RECEIVE, Call.HIDE),
        MESSAGES,
    ),
    Call.COUNT: {"no count": _without_header("x-ms-approximate-messages-count")},
}


def oddities(call: Call) -> dict[str, Oddity]:
    """Every odd answer that a call can get, by name."""
    return {**ANY, **SPECIAL.get(call, {})}


def _parts(reply: Reply, count: int) -> bytes:
    """A changeset with so many parts."""
    found = re.search(rb"--changesetresponse\S*", reply.body)
    if not found:
        return reply.body
    boundary = found[0].removesuffix(b"--")
    head, *parts = reply.body.split(boundary)
    middle, tail = parts[:-1], parts[-1]
    return boundary.join([head, *([middle[0]] * count), tail])


def _twice(body: bytes) -> bytes:
    try:
        answer = json.loads(body)
    except ValueError:
        return body
    return json.dumps({"value": answer.get("value", []) * 2}).encode()
