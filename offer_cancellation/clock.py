"""Aware UTC time in whole milliseconds, the resolution of a due row's key."""

from datetime import UTC, datetime, timedelta


def utc_now() -> datetime:
    """The current time; everything that decides takes `now` as an argument instead."""
    return whole_milliseconds(datetime.now(UTC))


def whole_milliseconds(moment: datetime) -> datetime:
    """`moment` in UTC, cut to milliseconds, so that a time and the key made of it agree."""
    moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def after(moment: datetime, seconds: float) -> datetime:
    """The moment `seconds` later, in whole milliseconds."""
    return whole_milliseconds(moment + timedelta(seconds=seconds))


def rfc3339(moment: datetime) -> str:
    """RFC 3339 in UTC with `Z`, milliseconds always given, so that texts sort as times do."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
