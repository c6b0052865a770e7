"""One Hypothesis profile for all unit tests: no deadline on a shared machine, nothing kept."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "unit",
    deadline=None,
    max_examples=100,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("unit")
