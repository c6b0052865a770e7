"""Texts from outside, made fit to be stored, sent and logged."""

import re

from markupsafe import Markup

ELLIPSIS = "…"
_EMAIL = re.compile(r"[^\s@<>\"',;]+@[^\s@<>\"',;]+")


def cut(text: str, most: int) -> str:
    """`text` in at most `most` characters; what was cut shows as a final `…`."""
    return text if len(text) <= most else text[: most - 1] + ELLIPSIS


def clean(text: str) -> str:
    """`text` without lone surrogates and control characters, white space folded."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def plain(markup: str, most: int) -> str:
    """Markup as plain text of at most `most` characters.

    It is cut before the tags go: striping is quadratic on hostile input.
    """
    return cut(clean(Markup(cut(markup, 8 * most)).striptags()), most)  # noqa: S704 - stripped


def without_emails(text: str) -> str:
    """`text` with each e-mail address replaced: fit for a log."""
    return _EMAIL.sub("<e-mail>", text)


_SECRET = re.compile(
    r"(?P<kept>\bBearer\s{1,9})[^\s\"']++"  # RFC 6750: a token in an Authorization header
    r"|(?<![\w-])eyJ[\w-]*+\.[\w-]++(?:\.[\w-]*+)?"  # RFC 7519: a JSON Web Token
    r"|(?P<key>\b(?:sig|AccountKey|SharedAccessKey|SharedAccessSignature)(?:=|%3D))[^\s&;\"']++"
    r"|(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{86}==",  # a storage account's key: 64 bytes
    re.IGNORECASE,
)


def mask_secrets(text: str) -> str:
    """`text` with `***` for each token, SAS signature and account key in it. Takes linear time."""
    return _SECRET.sub(lambda found: f"{found['kept'] or found['key'] or ''}***", text)
