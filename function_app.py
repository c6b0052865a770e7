"""The Functions app: composes the two functions, nothing else."""

import azure.functions as func

from cancel_trigger.function import blueprint as cancel_trigger
from poll_timer.function import blueprint as poll_timer

app = func.FunctionApp()
app.register_functions(cancel_trigger)
app.register_functions(poll_timer)
