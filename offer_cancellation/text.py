"""Makes texts from outside fit to be kept and logged: bounded, printable, without secrets."""

import re

from markupsafe import Markup

ELLIPSIS = "…"
MASK = "***"

# Each pattern below needs time in proportion to the text, hostile ones included: a run of
# characters is entered at its first one only (look-behind), and never backed out of (`++`).
_EMAIL = re.compile(r"(?<![^\s@<>\"',;])[^\s@<>\"',;]++@[^\s@<>\"',;]+")
_BEARER = re.compile(
    # "Bearer token" and "bearer authentication" are words of a sentence, no secrets.
    r"(\bbearer(?:\s|%20|\+){1,8})(?!(?:tokens?|auth\w*|realm|scheme|errors?|is|was|and|or|not)\b)"
    r"[^\s\"'<>,;&(){}\[\]]++",
    re.IGNORECASE,
)
_OTHER_SCHEME = re.compile(
    r"(\bauthorization\W{1,8}(?:basic|digest|negotiate)\s{1,8}|\bsharedkey(?:lite)?\s{1,8})"
    r"[^\s\"'<>,;&(){}\[\]]++",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"(?<![a-z])((?:sig|signature|account_?key|shared_?access_?(?:key|signature)|primary_?key|"
    r"secondary_?key|(?:access|refresh|id|bearer|auth|sas)_?token|(?:client_?)?assertion|"
    r"(?:client_?)?secret|password|pwd|api_?key|subscription-key|functions-key|aeg-sas-key)"
    r"\\?[\"']?\s{0,4}(?:=|:|%3d)\s{0,4}\\?[\"']?)(?!\*\*\*)[^\s\"'<>,;&\\(){}\[\]]++",
    re.IGNORECASE,
)
_WORD = re.compile(r"(?<![\w.~-])[\w.~-]++")
_JWT_HEADER_SIZE = 8  # characters, at least: the beginning of `{"alg":…` in base64
_CLIENT_SECRET = re.compile(r"[\w.~-]{3}\dQ~[\w.~-]{31,34}")  # as Entra makes them
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/=])([A-Za-z0-9+/]{40,}+={1,2})(?![A-Za-z0-9+/=])")


def cut(text: str, limit: int) -> str:
    """`text` in at most `limit` characters; what was cut shows as a final `…`."""
    return text if len(text) <= limit else text[: limit - 1] + ELLIPSIS


def clean(text: str) -> str:
    """`text` without lone surrogates and control characters, white space folded."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def plain(markup: str, limit: int) -> str:
    """Markup as plain text of at most `limit` characters, secrets masked.

    It is cut before the tags go: stripping them is quadratic on hostile input.
    """
    bounded = mask_secrets(cut(markup, 8 * limit))
    stripped = Markup(bounded).striptags()  # noqa: S704 - stripped of all markup, never rendered
    return cut(mask_secrets(clean(stripped)), limit)


def fit(text: str, limit: int) -> str:
    """A text from outside as it may be kept: at most `limit` characters, secrets masked."""
    return cut(mask_secrets(clean(cut(text, 8 * limit))), limit)


def mask_secrets(text: str) -> str:
    """`text` with `***` for whatever looks like a secret.

    These are bearer tokens, JSON Web Tokens, signatures of SAS URLs, storage account keys (alone
    or in a connection string), and the values of fields that are named like a secret.
    """
    text = _BEARER.sub(rf"\1{MASK}", text)
    text = _OTHER_SCHEME.sub(rf"\1{MASK}", text)
    text = _NAMED.sub(rf"\1{MASK}", text)
    if "eyJ" in text or "Q~" in text:
        text = _WORD.sub(_masked_word, text)

    return _BASE64.sub(_masked_key, text) if "=" in text else text


def without_emails(text: str) -> str:
    """`text` with each e-mail address replaced."""
    return _EMAIL.sub("<e-mail>", text) if "@" in text else text


def masked(text: str) -> str:
    """`text` fit for a log or a span: neither secrets nor e-mail addresses."""
    return without_emails(mask_secrets(text))


def _masked_word(match: re.Match[str]) -> str:
    word = _CLIENT_SECRET.sub(MASK, match[0])
    start = word.find("eyJ")

    while start >= 0:
        dot = word.find(".", start)
        if dot < 0:
            break
        if dot - start >= _JWT_HEADER_SIZE:
            return word[:start] + MASK
        start = word.find("eyJ", dot)

    return word


def _masked_key(value: re.Match[str]) -> str:
    """Base64 of 32 bytes or more, padded, as account keys and signatures are."""
    text = value[0]
    is_mixed = re.search(r"[a-z]", text) and re.search(r"[A-Z]", text) and re.search(r"\d", text)
    return MASK if is_mixed and len(text) % 4 == 0 else text
