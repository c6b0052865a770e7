"""Binds the queue-triggered function: one message in, one step of a request's life.

Only the binding is here. Names are literals from the settings: `%NAME%` would have no default.
"""

import azure.functions as func

from cancel_trigger.message import Message
from cancel_trigger.submission import handle
from offer_cancellation.services import services
from offer_cancellation.settings import settings

blueprint = func.Blueprint()


@blueprint.function_name("cancel_trigger")
@blueprint.queue_trigger(
    arg_name="message", queue_name=settings().cancel_queue, connection="CANCEL_STORAGE"
)
async def cancel_trigger(message: func.QueueMessage) -> None:
    """Handles one message of the request queue; raising makes the host deliver it again."""
    shared = await services()
    await handle(Message.received(message, shared.clock()), shared)
