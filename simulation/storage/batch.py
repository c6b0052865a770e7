"""Transactions on the wire: `multipart/mixed` requests taken apart, and answers put together."""

import re
from collections.abc import Iterable

from simulation.wire import Request, Response

_BOUNDARY = re.compile(r"boundary=\"?([^\s;\"]+)")


def requests_of(batch: Request) -> list[Request]:
    """The requests of a batch's one changeset, in their order. Raises ValueError."""
    outer = _split(batch.body.decode(), batch.headers.get("content-type", ""))
    head, _, changeset = outer[0].partition("\r\n\r\n")
    return [_request(part) for part in _split(changeset, head)]


def answer(batch: Request, responses: Iterable[Response]) -> Response:
    """The answer to a batch, one part a response."""
    name = _boundary(batch.headers.get("content-type", "")).removeprefix("batch_")
    changeset, outer = f"changesetresponse_{name}", f"batchresponse_{name}"
    lines = [f"--{outer}", f"Content-Type: multipart/mixed; boundary={changeset}", ""]
    for response in responses:
        lines += [
            f"--{changeset}",
            "Content-Type: application/http",
            "Content-Transfer-Encoding: binary",
            "",
            f"HTTP/1.1 {response.status} {response.reason}",
            *(f"{header}: {value}" for header, value in response.headers.items()),
            "",
            response.body.decode(),
        ]
    lines += [f"--{changeset}--", f"--{outer}--", ""]
    headers = {"Content-Type": f"multipart/mixed; boundary={outer}"}
    return Response(202, headers, "\r\n".join(lines).encode())


def _request(part: str) -> Request:
    _, _, http = part.partition("\r\n\r\n")
    head, _, body = http.partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    method, url, _ = first.split(" ", 2)
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return Request(method, url, headers, body.strip().encode())


def _split(text: str, head: str) -> list[str]:
    """The parts between a multipart text's boundary lines."""
    pieces = text.split(f"--{_boundary(head)}")
    return [piece.removeprefix("\r\n") for piece in pieces[1:-1]]


def _boundary(head: str) -> str:
    match = _BOUNDARY.search(head)
    if match is None:
        raise ValueError(f"no boundary in {head!r}")
    return match[1]
