"""The queue-triggered function: submits one cancel request per message of the request queue."""
