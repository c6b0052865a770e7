"""A cancel request: what a message must hold, with every fault of it found at once.

The fields, their forms and the codes are part of the public contract (see the README's table).
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from email_validator import EmailNotValidError, validate_email
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from offer_cancellation.clock import whole_milliseconds
from offer_cancellation.envelope import Fault, open_message, shown
from offer_cancellation.status import Error

_MOST_EMAILS = 50
_IDENTIFIER = r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$"
_IDENTIFIER_RULE = "1 to 50 ASCII letters, digits, - and _, with single . between them"
_GUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)  # past all the same; a table holds none before 1601
_TRACEPARENT = re.compile(
    r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
    r"|(?!00|ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]*)?"
)


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("not printable")
    return value


def _moment(value: object) -> datetime:
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise ValueError("not RFC 3339")
    try:
        return max(whole_milliseconds(datetime.fromisoformat(value.upper())), _LONG_AGO)
    except OverflowError:
        raise ValueError("out of range") from None


def _addresses(value: object) -> object:
    """A comma-separated string as an array of its parts."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _address(value: str) -> str:
    try:
        validate_email(value, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as error:
        raise ValueError("no e-mail address") from error
    if "." not in value.rpartition("@")[2]:
        raise ValueError("no public domain")
    return value


def _trace(value: object) -> str | None:
    """W3C Trace Context: a malformed header is ignored. A null is a fault all the same."""
    if value is None:
        raise ValueError("null")
    well_formed = isinstance(value, str) and len(value) <= 128 and _TRACEPARENT.fullmatch(value)  # noqa: PLR2004
    return value if isinstance(value, str) and well_formed else None


Identifier = Annotated[str, Field(pattern=_IDENTIFIER, max_length=50, description=_IDENTIFIER_RULE)]
Address = Annotated[str, AfterValidator(_address)]


class CancelRequest(BaseModel):
    """A valid request. Field names are the message's own, in snake case."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, validate_default=False
    )

    publisher_id: Identifier = Field(alias="publisherId")
    offer_id: Identifier = Field(alias="offerId")
    notification_emails: Annotated[
        list[Address],
        BeforeValidator(_addresses),
        Field(
            max_length=_MOST_EMAILS,
            description=f"at most {_MOST_EMAILS} e-mail addresses: an array, or a string with"
            " commas between them",
        ),
    ] = Field([], alias="notificationEmails")
    request_id: Annotated[
        str,
        AfterValidator(_printable),
        Field(min_length=1, max_length=128, description="1 to 128 printable characters"),
    ] = Field("", alias="requestId")
    operation_id: Annotated[
        str, Field(pattern=_GUID, description="a GUID: 8-4-4-4-12 hex digits")
    ] = Field("", alias="operationId")
    expires_at: Annotated[
        AwareDatetime | None,
        BeforeValidator(_moment),
        Field(description="an RFC 3339 time with offset, such as 2030-01-31T12:00:00Z"),
    ] = Field(None, alias="expiresAt")
    correlation_id: Annotated[
        str,
        AfterValidator(_printable),
        Field(max_length=128, description="at most 128 printable characters"),
    ] = Field("", alias="correlationId")
    traceparent: Annotated[
        str | None, BeforeValidator(_trace), Field(description="a W3C traceparent")
    ] = None

    def identified(self, request_id: str) -> Self:
        """The same request with an id, unless it brought one."""
        return self if self.request_id else self.model_copy(update={"request_id": request_id})


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidRequest:
    """A message that is no request: every fault, and the fields that are good all the same."""

    faults: tuple[Fault, ...]
    request_id: str
    publisher_id: str | None = None
    offer_id: str | None = None
    correlation_id: str | None = None
    traceparent: str | None = None

    @property
    def error(self) -> Error:
        """All faults in one message, code `InvalidRequest`."""
        return Error("InvalidRequest", "; ".join(map(str, self.faults)))


_FIELDS = {field.alias or name: name for name, field in CancelRequest.model_fields.items()}


def parse(text: str, message_id: str) -> CancelRequest | InvalidRequest:
    """The request in a message's text, or all that is wrong with it. Never raises."""
    envelope = open_message(text)
    fallback_id = envelope.request_id or f"msg-{message_id}"
    faults = list(envelope.faults)
    is_readable = bool(envelope.fields) or not faults
    known = {name: value for name, value in envelope.fields.items() if name in _FIELDS}
    try:
        request = CancelRequest.model_validate(known)
    except ValidationError as error:
        if is_readable:
            faults += _faults(error, known)
    faults += [_unknown(name) for name in envelope.fields if name not in _FIELDS]
    if not faults:
        return request.identified(fallback_id)
    bad = {fault.field for fault in faults}
    good = {
        name: value
        for name, value in envelope.fields.items()
        if name not in bad and isinstance(value, str)
    }
    trace = good.get("traceparent")
    return InvalidRequest(
        faults=tuple(faults),
        request_id=good.get("requestId", fallback_id),
        publisher_id=good.get("publisherId"),
        offer_id=good.get("offerId"),
        correlation_id=good.get("correlationId"),
        traceparent=_trace(trace) if trace else None,
    )


def _faults(error: ValidationError, fields: dict[str, Any]) -> list[Fault]:
    return [
        _fault(fault["loc"], fault["type"], fields) for fault in error.errors(include_url=False)
    ]


def _unknown(name: str) -> Fault:
    return Fault(shown(name)[1:-1], "an unknown field", f"only {', '.join(sorted(_FIELDS))}")


def _fault(place: tuple[int | str, ...], kind: str, fields: dict[str, Any]) -> Fault:
    name = str(place[0])
    if kind == "missing":
        return Fault(name, "missing", _allowed(name))
    value = fields[name]
    if len(place) > 1 and isinstance(place[1], int):  # one of several addresses
        items = _addresses(value)
        value = items[place[1]] if isinstance(items, list) else value
    return Fault(name, shown(value), _allowed(name))


def _allowed(name: str) -> str:
    return CancelRequest.model_fields[_FIELDS[name]].description or ""
