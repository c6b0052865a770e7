"""Texts that the Functions host takes for times, read as its JSON library (Newtonsoft) reads them.

ISO 8601 in more forms than RFC 3339 has (`±hh`, `±hhmm`, `24:00:00`, seven digits of a second),
and `/Date(milliseconds)/`. Not read: other separators, a lower-case `t`, days that do not exist.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, Self

Zone = Literal["", "Z", "+00:00"]

_TICKS_PER_MILLISECOND = 10_000
_TICKS_PER_SECOND = 1_000 * _TICKS_PER_MILLISECOND
_TICKS_PER_MINUTE = 60 * _TICKS_PER_SECOND
_TICKS_PER_DAY = 24 * 60 * _TICKS_PER_MINUTE
_EPOCH = (date(1970, 1, 1) - date.min).days * _TICKS_PER_DAY
_END = date.max.toordinal() * _TICKS_PER_DAY
_LENGTHS = range(19, 41)

_ISO = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})T"
    r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
    r"(?:\.(?P<fraction>[0-9]{1,7}))?"
    r"(?P<zone>.*)",
    re.DOTALL,
)
_OFFSET = re.compile(r"(?P<sign>[+-])(?P<hours>[0-9]{2})(?::?(?P<minutes>[0-9]{2})|:)?")
# Two digits, or a colon and two digits, pass for a zone that says nothing.
_STRAY = re.compile(r":|:?[0-9]{2}|")
_MILLISECONDS = re.compile(
    r"/Date\((?P<number>-?[0-9]{1,19})(?P<offset>\+[0-9]{2}.*|-[0-9]{2}[^+]*)?\)/", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Moment:
    """A time as .NET counts it: ticks of 100 ns since the year 1, and what was said of its zone.

    A time with an offset is in the host's local time, which is UTC: its zone is `+00:00`.
    """

    ticks: int
    zone: Zone

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Return the time that the text is, or None; ValueError: one that .NET cannot hold."""
        if text.startswith("/Date("):
            return cls._read_milliseconds(text)

        if len(text) in _LENGTHS and (match := _ISO.fullmatch(text)):
            return cls._read_iso(match)

        return None

    @classmethod
    def _read_milliseconds(cls, text: str) -> Self | None:
        match = _MILLISECONDS.fullmatch(text)
        if match is None:
            return None

        # Its offset changes nothing but the kind of time that it is.
        zone: Zone = "+00:00" if match["offset"] else "Z"
        return cls._held(int(match["number"]) * _TICKS_PER_MILLISECOND + _EPOCH, zone)

    @classmethod
    def _read_iso(cls, match: re.Match[str]) -> Self | None:
        ticks, zone = _local_ticks(match), match["zone"]
        if ticks is None:
            return None

        if zone in ("Z", "z"):
            return cls._held(ticks, "Z")

        if offset := _OFFSET.fullmatch(zone):
            minutes = int(offset["hours"]) * 60 + int(offset["minutes"] or 0)
            shift = (-1 if offset["sign"] == "+" else 1) * minutes * _TICKS_PER_MINUTE
            # Before the year 1, or after 9999: the end of the calendar.
            shifted = min(max(cls._held(ticks, "").ticks + shift, 0), _END - 1)
            return cls(shifted, "+00:00")

        return cls._held(ticks, "") if _STRAY.fullmatch(zone) else None

    @classmethod
    def _held(cls, ticks: int, zone: Zone) -> Self:
        if not 0 <= ticks < _END:
            raise ValueError("a time outside of the years 1 to 9999")

        return cls(ticks, zone)

    @property
    def fraction(self) -> int:
        """The ticks of its last second."""
        return self.ticks % _TICKS_PER_SECOND

    @property
    def whole(self) -> datetime:
        """Its date and time, without the fraction of a second."""
        seconds = self.ticks // _TICKS_PER_SECOND
        return datetime(1, 1, 1) + timedelta(seconds=seconds)  # noqa: DTZ001 - `zone` has it


def _local_ticks(match: re.Match[str]) -> int | None:
    hour, minute, second = (int(match[name]) for name in ("hour", "minute", "second"))
    fraction = int((match["fraction"] or "").ljust(7, "0"))
    is_midnight = (hour, minute, second, fraction) == (24, 0, 0, 0)
    if not is_midnight and (hour > 23 or minute > 59 or second > 59):
        return None

    try:
        days = (date.fromisoformat(match["date"]) - date.min).days
    except ValueError:
        return None

    seconds = (hour * 60 + minute) * 60 + second
    return days * _TICKS_PER_DAY + seconds * _TICKS_PER_SECOND + fraction
