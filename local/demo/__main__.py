"""Starts the demo: `python -m local.demo`."""

import sys

from local.demo.demo import main

if __name__ == "__main__":
    sys.exit(main())
