"""What the hosts' logs give away, and which time-outs they tell of. Pure.

Whether a POST's answer was too slow is seen by the caller alone, when the machine is busy.
"""

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime

_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+|Bearer (?!\*\*\*)\S+", re.IGNORECASE)
_QUERY = re.compile(r"[?&]api-version", re.IGNORECASE)
_FIELD = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)')


def tokens_in(name: str, text: str) -> list[str]:
    """Whether a text holds a bearer token: the name of the place, and never which."""
    return [f"{name}: a bearer token"] if _TOKEN.search(text) else []


def secrets_in(name: str, text: str, email_domain: str) -> list[str]:
    """Where in a log a token, a query string or an e-mail address stands, and never which."""
    patterns = {
        "a bearer token": _TOKEN,
        "a query string": _QUERY,
        "an e-mail address": re.compile("@" + re.escape(email_domain), re.IGNORECASE),
    }
    return [
        f"{name}:{number}: {what}"
        for number, line in enumerate(text.splitlines(), 1)
        for what, pattern in patterns.items()
        if pattern.search(line)
    ]


def time_outs_in(text: str, started: datetime) -> Mapping[str, list[float]]:
    """When, by offer, the app says that an attempt had no answer; seconds from the start."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for line in text.splitlines():
        if " cancel.deferred " not in line:
            continue
        fields = {name: _plain(value) for name, value in _FIELD.findall(line)}
        if fields.get("cause") in ("time-out", "network"):
            moment = datetime.fromisoformat(line.split()[0]).astimezone(UTC)
            found[fields.get("offerId", "")].append((moment - started).total_seconds())
    return found


def _plain(value: str) -> str:
    return str(json.loads(value)) if value.startswith('"') else value
