"""Asks for the cancellation of an offer's publishing: puts one request on the app's queue.

    python send_request.py contoso contoso-offer release-42

The third argument is the request id. The app treats two messages with one id as one request, so a
producer that gives the same piece of work the same id may send as often as it likes: a build step
that is repeated, an SDK that sends again after a lost reply, a person who is not sure.

Where the queue is stands in the environment: `CANCEL_STORAGE` (a connection string, for the local
stack) or `CANCEL_STORAGE__queueServiceUri` (in Azure, with your own or a managed identity).
"""

import argparse
import json
import os
import sys

from azure.identity import DefaultAzureCredential
from azure.storage.queue import QueueClient

ACCOUNT = "CANCEL_STORAGE__queueServiceUri"


def open_queue(name: str) -> QueueClient:
    """Open a queue of the account that the environment names; without one the program ends."""
    connection_string = os.environ.get("CANCEL_STORAGE")
    if connection_string:
        return QueueClient.from_connection_string(connection_string, name)

    account = os.environ.get(ACCOUNT)
    if account:
        return QueueClient(account, name, credential=DefaultAzureCredential())

    sys.exit(f"set CANCEL_STORAGE (a connection string) or {ACCOUNT} (a URL)")


def main() -> None:
    """Send the request that the command line describes."""
    parser = argparse.ArgumentParser(description="Ask for the cancellation of an offer.")
    parser.add_argument("publisher_id")
    parser.add_argument("offer_id")
    parser.add_argument("request_id", help="the same for the same piece of work: a build number")
    arguments = parser.parse_args()
    request = {
        "publisherId": arguments.publisher_id,
        "offerId": arguments.offer_id,
        "requestId": arguments.request_id,
    }

    with open_queue(os.environ.get("CANCEL_QUEUE", "cancel-requests")) as queue:
        queue.send_message(json.dumps(request))

    print(f"sent {arguments.request_id}")


if __name__ == "__main__":
    main()
