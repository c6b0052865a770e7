"""Sends what a scripted API was told to answer, whole or with a fault on its way."""

import asyncio
import socket
import struct

from aiohttp import web

from local.portal.script import Answer, Fault

_TRICKLE_SECONDS = 0.05


def bearer_token(request: web.Request) -> str:
    """The token of a request; empty without one."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else ""


async def send(request: web.Request, answer: Answer, url: str) -> web.StreamResponse:
    """Sends the answer; `url` is what `{url}` stands for in it."""
    body, headers = answer.render(url)
    match answer.fault:
        case None:
            return web.Response(status=answer.status, body=body or None, headers=headers)
        case Fault.RESET_BEFORE | Fault.RESET_AFTER:
            _reset(request)
            return web.Response()
        case Fault.HANG:
            await asyncio.Event().wait()
            return web.Response()
        case Fault.TRUNCATE:
            return await _truncate(request, answer.status, body, headers)
        case Fault.TRICKLE:
            pause = answer.delay_seconds or _TRICKLE_SECONDS
            return await _trickle(request, answer.status, body, headers, pause)


def _reset(request: web.Request) -> None:
    transport = request.transport
    if transport is None:
        return

    # Without lingering a close is a RST, which is what a peer that dies under load looks like.
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _truncate(
    request: web.Request, status: int, body: bytes, headers: dict[str, str]
) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = len(body) + 1024
    await response.prepare(request)
    await response.write(body)
    if request.transport is not None:
        # Closed, not aborted: what was written must arrive, or there is nothing to truncate.
        request.transport.close()

    return response


async def _trickle(
    request: web.Request, status: int, body: bytes, headers: dict[str, str], pause: float
) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = len(body)
    await response.prepare(request)
    for position in range(len(body)):
        await response.write(body[position : position + 1])
        await asyncio.sleep(pause)

    await response.write_eof()
    return response
