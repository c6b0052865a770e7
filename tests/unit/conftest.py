"""Hypothesis for the unit tests: no deadline on a shared machine, nothing kept.

`make unit` tries few examples, for those who wait for it; `make test` tries many.
"""

import os

from hypothesis import HealthCheck, settings

for name, examples in (("many", 100), ("few", 10)):
    settings.register_profile(
        name,
        deadline=None,
        max_examples=examples,
        database=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile(os.environ.get("EXAMPLES", "many"))
