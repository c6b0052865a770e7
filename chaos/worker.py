"""The app's worker in a chaos run: a clock that is off, and a storage behind a proxy.

`python -m chaos.worker SECONDS STORAGE` is the development host's worker, but for two things: the
app's clock is so many seconds ahead, and its own clients reach storage by that connection string.
"""

import os
import sys
from datetime import datetime
from functools import partial

from local.host import worker
from offer_cancellation import services
from offer_cancellation.clock import after, utc_now


def main() -> None:
    """Serve the app of the current directory."""
    ahead, storage = sys.argv[1:]
    os.environ["CANCEL_STORAGE"] = storage

    def clock() -> datetime:
        return after(utc_now(), float(ahead))

    services.make_services = partial(services.make_services, clock=clock)
    worker.main()


if __name__ == "__main__":
    main()
