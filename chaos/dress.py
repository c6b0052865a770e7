"""What an answer of the portal carries besides what it says. Pure.

Cookies, which nobody may send back; the sender's token, quoted in the body, which nobody may keep;
a header twice, which says no more than once; a `Date` by a clock that is off.
"""

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from email.utils import format_datetime

from chaos.faults import rng_of
from local.portal.script import Answer, Kind

_COOKIES = {
    "": 70,
    "ARRAffinity=chaos; Path=/; HttpOnly": 15,
    "session=geöffnet; Path=/": 10,
    f"large={'c' * 7000}; Path=/": 5,
}
_ECHO, _DOUBLED = 0.15, 0.15
_TWICE = ("Location", "Operation-Location", "Retry-After")


@dataclass(frozen=True, slots=True)
class Dress:
    """How one answer is dressed. `echo`: its body quotes the sender's token."""

    cookie: str = ""
    echo: bool = False
    doubled: bool = False


@dataclass(frozen=True, slots=True)
class DressedAnswer(Answer):
    """An answer, and the headers that it has a second time."""

    again: tuple[tuple[str, str], ...] = ()


def draw_dress(seed: int, offer_id: str, kind: Kind, number: int) -> Dress:
    """The dress of the answer to an offer's `number`-th call of the kind."""
    rng = rng_of("dress", seed, offer_id, kind, number)
    return Dress(
        cookie=rng.choices(list(_COOKIES), list(_COOKIES.values()))[0],
        echo=rng.random() < _ECHO,
        doubled=rng.random() < _DOUBLED,
    )


def dressed(answer: Answer, dress: Dress, authorization: str, api_now: datetime) -> DressedAnswer:
    """The answer in its dress; `authorization` is the header that its call came with."""
    given = {field.name: getattr(answer, field.name) for field in fields(Answer)}
    headers = {**answer.headers, "Date": format_datetime(api_now.astimezone(UTC), usegmt=True)}
    if dress.cookie:
        headers["Set-Cookie"] = dress.cookie

    return DressedAnswer(
        **{**given, "headers": headers, "body": _body(answer, dress, authorization)},
        again=tuple((n, v) for n, v in answer.headers.items() if n in _TWICE and dress.doubled),
    )


def _body(answer: Answer, dress: Dress, authorization: str) -> object:
    body, quoted = answer.body, f" You sent: Authorization: {authorization}"
    match body:
        case _ if not dress.echo:
            return body
        case {"error": {"message": str(message), **error}, **rest}:
            return {**rest, "error": {**error, "message": message + quoted}}
        case {"message": str(message), **rest}:
            return {**rest, "message": message + quoted}
        case str() if body.startswith("<"):
            return body + quoted
        case _:
            return body
