"""Handles each outcome event of the app once: `python handle_outcomes.py`, until you end it.

The app delivers an event at least once; repeats have the same CloudEvents `source` and `id`. This
consumer writes both into a SQLite file, so it knows a repeat after a restart, too. The order makes
it safe to kill at any moment:

    receive ─► note source and id ─► handle ─► commit ─► delete the message
               └────────── one transaction ─────────┘

Killed before the commit, nothing is noted and the message comes back. Killed after it, the message
comes back and is known as a repeat. What `handle` does outside of that database can happen twice
(killed between the two); what it writes to the same database cannot.

Where the queue is stands in the environment: `CANCEL_STORAGE` (a connection string, for the local
stack) or `CANCEL_STORAGE__queueServiceUri` (in Azure, with your own or a managed identity).
"""

import argparse
import base64
import json
import logging
import os
import sqlite3
import sys
import time
from contextlib import closing, suppress
from typing import Any

from azure.core.exceptions import HttpResponseError
from azure.identity import DefaultAzureCredential
from azure.storage.queue import QueueClient, QueueMessage

ACCOUNT = "CANCEL_STORAGE__queueServiceUri"
IDLE_SECONDS = 1.0

logger = logging.getLogger("consumer")


def handle(event: dict[str, Any]) -> None:
    """Do what an outcome asks for; here, print it. If this raises, the event comes again."""
    data = event["data"]
    error = data.get("error", {}).get("code", "")

    print(data["status"], data.get("requestId", ""), event.get("subject", ""), error, flush=True)


def open_queue(name: str) -> QueueClient:
    """Open a queue of the account that the environment names; without one the program ends."""
    connection_string = os.environ.get("CANCEL_STORAGE")
    if connection_string:
        return QueueClient.from_connection_string(connection_string, name)

    account = os.environ.get(ACCOUNT)
    if account:
        return QueueClient(account, name, credential=DefaultAzureCredential())

    sys.exit(f"set CANCEL_STORAGE (a connection string) or {ACCOUNT} (a URL)")


def open_database(path: str) -> sqlite3.Connection:
    """Open the file that remembers what was handled; it is made when missing."""
    database = sqlite3.connect(path, timeout=30)
    database.execute(
        "CREATE TABLE IF NOT EXISTS handled"
        " (source TEXT, id TEXT, PRIMARY KEY (source, id)) WITHOUT ROWID"
    )

    return database


def handle_once(database: sqlite3.Connection, text: str) -> None:
    """Handle the event that a message holds, unless it was handled before.

    Raises ValueError or KeyError when the message is not an event, and whatever `handle` raises;
    nothing is noted then.
    """
    event = json.loads(base64.b64decode(text, validate=True))
    key = (event["source"], event["id"])

    with database:
        is_new = database.execute("INSERT OR IGNORE INTO handled VALUES (?, ?)", key).rowcount
        if is_new:
            handle(event)
        else:
            logger.info("a repeat, not handled again: %s", event["id"])


def take(queue: QueueClient, database: sqlite3.Connection, message: QueueMessage) -> None:
    """Handle one message and delete it; one that cannot be handled comes again."""
    try:
        handle_once(database, message.content)
    except Exception:
        logger.exception("not handled, comes again: message %s", message.id)
        return

    # Refused when handling took longer than the lease: the message comes again, as a repeat.
    with suppress(HttpResponseError):
        queue.delete_message(message)


def main() -> None:
    """Handle outcomes, one at a time, until interrupted."""
    parser = argparse.ArgumentParser(description="Handle each outcome once.")
    parser.add_argument("--database", default="handled.db", help="default: handled.db")
    parser.add_argument(
        "--lease-seconds", type=int, default=60, help="longer than handling takes; default: 60"
    )
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logger.setLevel(logging.INFO)
    name = os.environ.get("OUTCOME_QUEUE", "cancel-outcomes")

    with open_queue(name) as queue, closing(open_database(arguments.database)) as database:
        while True:
            message = queue.receive_message(visibility_timeout=arguments.lease_seconds)
            if message is not None:
                take(queue, database, message)
            else:
                time.sleep(IDLE_SECONDS)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
