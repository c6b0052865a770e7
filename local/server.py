"""A web application on a free loopback port, for the two servers the stack plays itself.

It carries no behaviour of its own: routes and answers belong to `identity` and `portal`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web


@asynccontextmanager
async def serve(app: web.Application) -> AsyncIterator[str]:
    """Serve the application until the block ends; yields its URL, without a trailing slash."""
    runner = web.AppRunner(
        app,
        access_log=None,
        # A handler that hangs on purpose must end when its client leaves, or when we do.
        handler_cancellation=True,
        shutdown_timeout=0.1,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
