"""Services with a bug: a method that raises what no code expects. All the rest is the real one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from tests.integration.harness import Harness


class Broken:
    """A service whose method has a bug, that many times."""

    def __init__(self, real: object, method: str, times: int) -> None:
        self._real, self._method, self._times = real, method, times

    def __getattr__(self, name: str) -> Any:
        if name == self._method and self._times:
            self._times -= 1
            raise ZeroDivisionError

        return getattr(self._real, name)


@contextmanager
def a_bug_in(harness: Harness, service: str, method: str, times: int = 1) -> Iterator[None]:
    """During the block the app has this bug; one of `apis` is the first API's."""
    whole = harness.services
    broken: Any
    if service == "apis":
        api: Any = Broken(whole.apis.cloud_partner, method, times)
        broken = replace(whole.apis, cloud_partner=api)
    else:
        broken = Broken(getattr(whole, service), method, times)
    harness.services = replace(whole, **{service: broken})
    try:
        yield
    finally:
        harness.services = whole
