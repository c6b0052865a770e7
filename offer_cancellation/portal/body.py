"""Reads the body of an answer: at most 1 MiB of it, decompressed where it came compressed."""

import zlib

import httpx

BODY_LIMIT = 1024 * 1024  # bytes, on the wire and decompressed
_MEMBERS_LIMIT = 100  # of a gzip body, which may be several in a row
_CODINGS_LIMIT = 5  # one upon the other: each may take milliseconds to undo
_GZIP = b"\x1f\x8b"  # how a member begins: RFC 1952
_WINDOWS = {
    "gzip": (16 + zlib.MAX_WBITS,),
    "x-gzip": (16 + zlib.MAX_WBITS,),
    "deflate": (zlib.MAX_WBITS, -zlib.MAX_WBITS),  # RFC 9110 has zlib's format; some send it bare
}


async def read_body(response: httpx.Response) -> bytes | None:
    """The body; None when it is too long or cut off.

    Raises what the transport does. A coding that is not known, and a body that is not in the
    coding that it claims, are taken for none: whoever reads the JSON decides.
    """
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > BODY_LIMIT:
            return None

    return decoded(bytes(body), response.headers.get("content-encoding", ""))


def decoded(body: bytes, codings: str) -> bytes | None:
    """The body without its codings, the last of which was applied last."""
    decompressed: bytes | None = body
    named = codings.lower().split(",")
    if len(named) > _CODINGS_LIMIT:
        return None

    for coding in reversed(named):
        windows = _WINDOWS.get(coding.strip())
        if windows and decompressed:
            decompressed = _decompressed(decompressed, windows)

    return decompressed


def _decompressed(body: bytes, windows: tuple[int, ...]) -> bytes | None:
    for window in windows:
        try:
            return _inflated(body, window)
        except zlib.error:
            continue

    return body


def _inflated(body: bytes, window: int) -> bytes | None:
    """Raises zlib.error for what is not in that format. What follows its end is ignored."""
    plain = b""
    for _ in range(_MEMBERS_LIMIT):
        stream = zlib.decompressobj(window)
        plain += stream.decompress(body, BODY_LIMIT + 1 - len(plain))
        if len(plain) > BODY_LIMIT or not stream.eof:
            return None

        body = stream.unused_data
        if not body.startswith(_GZIP):  # no further member: padding, or nothing
            return plain

    return None
