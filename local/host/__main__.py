"""Starts the development host for the app of the current directory: `python -m local.host`."""

import sys

from local.host.host import main

if __name__ == "__main__":
    sys.exit(main())
