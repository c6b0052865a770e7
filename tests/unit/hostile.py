"""Hostile messages of any size: what a producer can put on the queue to keep the app busy."""

import base64
import json
from collections.abc import Callable

_GOOD = '"publisherId":"contoso","offerId":"contoso-offer"'


def _field(name: str, value: str) -> str:
    return f'{{{_GOOD},"{name}":{value}}}'


def _repeated(part: str, size: int) -> str:
    return part * (size // len(part))


def _distinct(size: int) -> str:
    return ",".join(f'"f{number}":1' for number in range(size // 10))


def _nested(size: int) -> str:
    return "[" * (size // 2) + "]" * (size // 2)


SHAPES: dict[str, Callable[[int], str]] = {
    "commas": lambda size: _field("notificationEmails", f'"{"," * size}"'),
    "forty-nine commas": lambda size: _field(
        "notificationEmails", f'"{"," * 49}{"a" * size}@contoso.com"'
    ),
    "empty addresses": lambda size: _field(
        "notificationEmails", "[" + _repeated('"",', size) + '""]'
    ),
    "a long local part": lambda size: _field("notificationEmails", f'["{"a" * size}@b.cz"]'),
    "a long domain": lambda size: _field("notificationEmails", f'["a@{"b." * (size // 2)}cz"]'),
    "at signs": lambda size: _field("notificationEmails", f'["{"@" * size}"]'),
    "dots": lambda size: _field("notificationEmails", f'["{"." * size}@b.cz"]'),
    "fifty addresses of 254": lambda size: _field(
        "notificationEmails", json.dumps([f"{'é' * 60}@{chr(252) * 32}.example"[: size // 50]] * 50)
    ),
    "fifty full-width addresses": lambda size: _field(
        "notificationEmails", json.dumps(["č" * min(size // 300, 200) + "@b.cz"] * 50)
    ),
    "nested arrays": lambda size: _field("notificationEmails", _nested(size)),
    "flat arrays": lambda size: _field("publisherId", "[" + _repeated("[],", size) + "[]]"),
    "flat objects": lambda size: _field("publisherId", "[" + _repeated("{},", size) + "{}]"),
    "nested pairs": lambda size: _field("publisherId", "[" + _repeated("[[]],", size) + "[]]"),
    "deep again and again": lambda size: _field(
        "publisherId", "[" + _repeated("[" * 60 + "]" * 60 + ",", size) + "[]]"
    ),
    "open arrays": lambda size: "[" * size,
    "open objects": lambda size: _repeated('{"a":', size),
    "doubled keys": lambda size: f"{{{_distinct(size // 2)},{_distinct(size // 2)}}}",
    "doubled keys in objects": lambda size: _field(
        "x", "[" + _repeated('{"":0,"":0},', size) + "{}]"
    ),
    "a long doubled key": lambda size: (
        f'{{"{"x" * (size // 2)}":1,"{"x" * (size // 2)}":1,{_GOOD}}}'
    ),
    "a long unknown key": lambda size: _field("x@" * (size // 2), "1"),
    "unknown fields": lambda size: f"{{{_GOOD},{_distinct(size)}}}",
    "bare names": lambda size: "{" + _repeated("a:1,", size) + "}",
    "empty strings": lambda size: "{" + _repeated('"":"",', size) + "}",
    "own metadata": lambda size: "{" + _repeated('"id":"",', size) + "}",
    "escapes": lambda size: _field(_repeated("\\u0041", size), "1"),
    "comments": lambda size: "{" + _repeated("/*", size) + "}",
    "open comments in arrays": lambda size: "{x:[[" + _repeated("[/* ", size) + "}",
    "quotation marks": lambda size: "{" + '"' * size + "}",
    "a whole number": lambda size: _field("publisherId", "9" * size),
    "whole numbers": lambda size: _field("publisherId", "[" + _repeated("1,", size) + "1]"),
    "numbers of 400 digits": lambda size: _field(
        "publisherId", "[" + _repeated("9" * 400 + ",", size) + "1]"
    ),
    "a fraction": lambda size: _field("publisherId", "0." + "9" * size),
    "exponents": lambda size: _field("publisherId", "[" + _repeated("1e308,", size) + "1]"),
    "an identifier": lambda size: f'{{"publisherId":"{_repeated("a.", size)}","offerId":"o"}}',
    "tokens": lambda size: _field("requestId", f'"{_repeated("eyJa.eyJ", size)}"'),
    "signatures": lambda size: _field("requestId", f'"{_repeated("sig=&", size)}"'),
    "bearers": lambda size: _field("requestId", f'"{_repeated("Bearer ", size)}"'),
    "almost a key": lambda size: _field("requestId", f'"{"A" * size}="'),
    "a time": lambda size: _field("expiresAt", f'"2030-01-31T12:00:00.{"1" * size}Z"'),
    "a trace": lambda size: _field("traceparent", f'"{"0" * size}"'),
    "control characters": lambda size: _field("correlationId", json.dumps("\0" * (size // 6))),
    "markup": lambda size: _field("correlationId", f'"{_repeated("<>&", size)}"'),
    "line ends": lambda size: _repeated("\r\n", size) + "x",
    "blanks": lambda size: " " * size,
    "no JSON": lambda size: "x" * size,
    "no base64": lambda size: "-+" * (size // 2),
    "a CloudEvent of unknown fields": lambda size: (
        f'{{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{{{_distinct(size)}}}}}'
    ),
    "a CloudEvent with attributes": lambda size: (
        f'{{"specversion":"1.0","id":"1","source":"{"s" * (size // 2)}","type":7,'
        f'"data":{{{_GOOD}}},{_distinct(size // 2)}}}'
    ),
    "a CloudEvent of commas": lambda size: (
        '{"specversion":"1.0","id":"1","source":"/s","type":"t","data":'
        + _field("notificationEmails", f'"{"," * size}"')
        + "}"
    ),
}
"""Texts of about as many characters as they are asked for."""


def in_base64(text: str) -> str:
    """The same as many producers' SDKs send it."""
    return base64.b64encode(text.encode()).decode()
