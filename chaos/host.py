"""The development host in a chaos run: `python -m chaos.host SECONDS STORAGE [options]`.

It hands the first two on to its worker (`chaos.worker`); its own storage is as ever.
"""

import sys

from local.host import host

if __name__ == "__main__":
    worker = (sys.executable, "-m", "chaos.worker", *sys.argv[1:3])
    del sys.argv[1:3]
    sys.exit(host.main(worker))
