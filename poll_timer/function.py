"""Binds the timer-triggered function: one tick, everything that is due.

Only the binding is here. The schedule is a literal from the settings: `%NAME%` has no default.
"""

import azure.functions as func

from offer_cancellation.services import services
from offer_cancellation.settings import settings
from poll_timer.tick import tick

blueprint = func.Blueprint()


@blueprint.function_name("poll_timer")
@blueprint.timer_trigger(arg_name="timer", schedule=settings().poll_schedule)
async def poll_timer(timer: func.TimerRequest) -> None:
    """Works on what is due; a tick that comes late needs no catching up."""
    del timer
    await tick(await services())
