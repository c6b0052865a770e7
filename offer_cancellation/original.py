"""Turns a rejected message's text into one that a queue can hold: unchanged wherever possible.

Queues speak XML: control characters cannot travel at all, and a carriage return would arrive as a
line feed. Such a text is kept in base64, which the app reads like the text itself.
"""

import base64
import gzip
import re

SIZE_LIMIT = 64 * 1024  # bytes of a message
_CUT = 44 * 1024  # bytes: in base64 with their note they fit
_CHANGED = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def forms(text: str) -> tuple[str, ...]:
    """The text as a queue may hold it, the best form first, the last one always small enough.

    Unchanged, where it can travel; base64 of it; base64 of it compressed (`H4sI…`); base64 of its
    beginning. A sender takes the next form when the service refuses one (400, 413): how escaped
    characters count against its limit is the service's business.
    """
    body = text.encode("utf-8", "surrogatepass")
    beginning = body[:_CUT] + f"… [cut: {_CUT} of {len(body)} bytes]".encode()
    encoded = (
        _base64(body),
        _base64(gzip.compress(body, compresslevel=1, mtime=0)),
        _base64(beginning if len(body) > _CUT else body),
    )
    candidates = encoded if _CHANGED.search(text) else (text, *encoded)
    fitting = [form for form in candidates if len(form.encode()) <= SIZE_LIMIT]

    return tuple(dict.fromkeys(fitting))


def _base64(body: bytes) -> str:
    return base64.b64encode(body).decode()
