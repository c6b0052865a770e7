"""A cancel request: what a message must hold, every error in it, and the message put back.

The fields, their forms and the codes are part of the public contract (see the README's table).
"""

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
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
from pydantic_core import ErrorDetails, PydanticCustomError

from offer_cancellation.clock import rfc3339, whole_milliseconds
from offer_cancellation.envelope import FieldError, open_message, quoted, quoted_name
from offer_cancellation.ledger.record import Record
from offer_cancellation.settings import Settings
from offer_cancellation.status import Error, ErrorCode
from offer_cancellation.text import mask_secrets

_ERROR_LIMIT = 50  # named in one message; the rest is counted
_EMAIL_LIMIT = 50
_ADDRESS_LIMIT = 254  # characters: RFC 5321, 4.5.3.1.3
_DOMAIN_LIMIT = 40  # characters of a domain that is not ASCII: each takes 10 µs to check
_TRACEPARENT_LIMIT = 128
_IDENTIFIER = r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$"
_IDENTIFIER_RULE = "1 to 50 ASCII letters, digits, - and _, with single . between them"
_PRODUCT = r"^[A-Za-z0-9-]+$"
_DIGITS = r"^[0-9]+$"
_OFFER = ("publisherId", "offerId")
_OFFER_ALONE = ("operationId", "notificationEmails")
_SUBMISSION = ("productId", "submissionId")
_EITHER = "either publisherId and offerId, or productId and submissionId"
_WITH_OFFER = "this field with publisherId and offerId only"
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


def _not_number(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise PydanticCustomError("number", "a number: it loses digits, send a string")
    return value


def _not_secret(value: str) -> str:
    if mask_secrets(value) != value:
        raise PydanticCustomError("secret", "looks like a secret")
    return value


def _addresses(value: object) -> object:
    """A comma-separated string as an array of its parts, which are counted before they are read."""
    if isinstance(value, str):
        count = value.count(",") + 1
    else:
        count = len(value) if isinstance(value, list) else 0
    if count > _EMAIL_LIMIT:
        raise PydanticCustomError("too_many", "{count} addresses", {"count": count})

    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _address(value: str) -> str:
    domain = value.rpartition("@")[2]
    if len(value) > _ADDRESS_LIMIT or not (domain.isascii() or len(domain) <= _DOMAIN_LIMIT):
        raise ValueError("too long")
    if any(map(_turns_into_ascii, value)):
        raise ValueError("not the same address after Unicode normalization")
    try:
        validate_email(value, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as error:
        raise ValueError("not a valid e-mail address") from error
    if "." not in domain:
        raise ValueError("not a public domain")
    return value


def _turns_into_ascii(sign: str) -> bool:
    """Whether NFKC makes ASCII of it: a full-width comma would part one address into two."""
    return not sign.isascii() and any(map(str.isascii, unicodedata.normalize("NFKC", sign)))


def _trace(value: object) -> str | None:
    """W3C Trace Context: a malformed header is ignored. A null is an error all the same."""
    if value is None:
        raise ValueError("null")
    if not isinstance(value, str) or len(value) > _TRACEPARENT_LIMIT:
        return None
    is_good = _TRACEPARENT.fullmatch(value) and mask_secrets(value) == value
    return value if is_good else None


Identifier = Annotated[
    str,
    Field(pattern=_IDENTIFIER, max_length=50, description=_IDENTIFIER_RULE),
    AfterValidator(_not_secret),
]
Address = Annotated[str, AfterValidator(_address), AfterValidator(_not_secret)]


class CancelRequest(BaseModel):
    """A valid request. Field names are the message's own, in snake case.

    It names an offer (publisher and offer), or a submission (product and submission): `parse` sees
    to it that it is one of them.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, validate_default=False
    )

    publisher_id: Identifier = Field("", alias="publisherId")
    offer_id: Identifier = Field("", alias="offerId")
    product_id: Annotated[
        str,
        Field(
            pattern=_PRODUCT,
            min_length=6,
            max_length=36,
            description="6 to 36 ASCII letters, digits and -",
        ),
        AfterValidator(_not_secret),
    ] = Field("", alias="productId")
    submission_id: Annotated[
        str,
        BeforeValidator(_not_number),
        Field(
            pattern=_DIGITS, min_length=1, max_length=32, description="a string of 1 to 32 digits"
        ),
    ] = Field("", alias="submissionId")
    notification_emails: Annotated[
        list[Address],
        BeforeValidator(_addresses),
        Field(
            description=f"at most {_EMAIL_LIMIT} e-mail addresses: an array, or a string with"
            " commas between them",
        ),
    ] = Field([], alias="notificationEmails")
    request_id: Annotated[
        str,
        Field(min_length=1, max_length=128, description="1 to 128 printable characters"),
        AfterValidator(_printable),
        AfterValidator(_not_secret),
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
        Field(max_length=128, description="at most 128 printable characters"),
        AfterValidator(_printable),
        AfterValidator(_not_secret),
    ] = Field("", alias="correlationId")
    traceparent: Annotated[
        str | None, BeforeValidator(_trace), Field(description="a W3C traceparent")
    ] = None

    def identified(self, request_id: str) -> Self:
        """The same request with an id, unless it brought one."""
        return self if self.request_id else self.model_copy(update={"request_id": request_id})


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidRequest:
    """A message that is not a valid request: its errors, and the fields that are valid.

    `faults` are at most 50 of the errors; `more` is how many others there are.
    """

    faults: tuple[FieldError, ...]
    request_id: str
    publisher_id: str | None = None
    offer_id: str | None = None
    product_id: str | None = None
    submission_id: str | None = None
    correlation_id: str | None = None
    traceparent: str | None = None
    more: int = 0

    @property
    def error(self) -> Error:
        """All of them in one message, code `InvalidRequest`."""
        parts = [str(fault) for fault in self.faults]
        if self.more:
            parts.append(f"and {self.more} more")
        return Error("InvalidRequest", "; ".join(parts))


_FIELDS = {field.alias or name: name for name, field in CancelRequest.model_fields.items()}
_KNOWN = f"only {', '.join(sorted(_FIELDS))}"


def parse(text: str, message_id: str) -> CancelRequest | InvalidRequest:
    """The request in a message's text, or all that is wrong with it.

    Never raises, and takes linear time: what an error quotes is cut, and errors beyond the limit
    are counted before they are built.
    """
    envelope = open_message(text)
    fallback_id = envelope.request_id or f"msg-{message_id}"
    known = {name: value for name, value in envelope.fields.items() if name in _FIELDS}
    unknown = [name for name in envelope.fields if name not in _FIELDS]
    field_errors: list[FieldError] = []

    try:
        request = CancelRequest.model_validate(known)
    except ValidationError as error:
        field_errors = list(_field_errors(error, known))
    if envelope.fields or not envelope.errors:  # else no field was read
        field_errors += _form_errors(envelope.fields)
    count = len(envelope.doubled) + len(envelope.errors) + len(field_errors) + len(unknown)
    if not count:
        return request.identified(fallback_id)

    def found() -> Iterator[FieldError]:
        yield from (_doubled(name) for name in envelope.doubled)
        yield from envelope.errors
        yield from field_errors
        yield from (_unknown(name) for name in unknown)

    faults = tuple(islice(found(), _ERROR_LIMIT))
    bad = {*envelope.doubled, *(error.field for error in (*envelope.errors, *field_errors))}
    good = {name: value for name, value in known.items() if name not in bad}

    return InvalidRequest(
        faults=faults,
        request_id=good.get("requestId", fallback_id),
        publisher_id=good.get("publisherId"),
        offer_id=good.get("offerId"),
        product_id=good.get("productId"),
        submission_id=good.get("submissionId"),
        correlation_id=good.get("correlationId"),
        traceparent=_trace(good.get("traceparent", "")),
        more=count - len(faults),
    )


def _doubled(name: str) -> FieldError:
    return FieldError(quoted_name(name), "given more than once", "one value per field")


def _unknown(name: str) -> FieldError:
    return FieldError(quoted_name(name), "an unknown field", _KNOWN)


def _form_errors(fields: dict[str, Any]) -> list[FieldError]:
    """What is wrong besides the fields themselves: a request has one of two forms, whole."""
    of_submission = [name for name in _SUBMISSION if name in fields]
    of_offer = [name for name in _OFFER if name in fields]
    if of_submission and of_offer:
        return [FieldError(name, _together_with(of_offer), _EITHER) for name in of_submission]

    required = _SUBMISSION if of_submission else _OFFER
    missing = [name for name in required if name not in fields]
    alone = [name for name in _OFFER_ALONE if name in fields] if of_submission else []

    return [
        *(FieldError(name, "missing", _allowed(name)) for name in missing),
        *(FieldError(name, _together_with(of_submission), _WITH_OFFER) for name in alone),
    ]


def _together_with(names: list[str]) -> str:
    return f"given together with {', '.join(names)}"


def _allowed(name: str) -> str:
    return CancelRequest.model_fields[_FIELDS[name]].description or ""


def _field_errors(error: ValidationError, fields: dict[str, Any]) -> Iterator[FieldError]:
    """One for each field that is not valid; one for each address."""
    emails = fields.get("notificationEmails")
    parts = emails.split(",", _EMAIL_LIMIT) if isinstance(emails, str) else emails

    for detail in error.errors(include_url=False, include_input=False):
        name, *place = detail["loc"]
        value: object = fields.get(str(name))
        if place and isinstance(parts, list):
            part = parts[int(place[0])]
            value = part.strip() if isinstance(part, str) and isinstance(emails, str) else part
        yield FieldError(str(name), _seen(detail, value), _allowed(str(name)))


def _seen(detail: ErrorDetails, value: object) -> str:
    """How an error tells the value that is wrong."""
    match detail["type"]:
        case "too_many":
            return detail["msg"]
        case "number":
            return f"{quoted(value)}, {detail['msg']}"
        case "secret":
            return f"{quoted(value)}, which looks like a secret"
    return quoted(value)


def setting_conflict(request: CancelRequest, settings: Settings) -> Error | None:
    """The error of a new request for an API that is switched off."""
    if not request.submission_id or settings.submission_api == "on":
        return None

    text = (
        "submissionId names a submission: allowed once the setting SUBMISSION_API is on; without it"
        " publisherId and offerId"
    )
    return Error(ErrorCode.INVALID_REQUEST, text)


def request_id_conflict(record: Record, request: CancelRequest) -> Error | None:
    """The error of a request id that already stands for another target or guard."""
    pairs = (
        ("publisherId", record.publisher_id or "", request.publisher_id),
        ("offerId", record.offer_id or "", request.offer_id),
        ("productId", record.product_id or "", request.product_id),
        ("submissionId", record.submission_id or "", request.submission_id),
        ("operationId", record.operation_id or "", request.operation_id),
    )
    differing = [
        f"{name} is {quoted(new)}: allowed is {quoted(old)}"
        for name, old, new in pairs
        if old.casefold() != new.casefold()
    ]
    if not differing:
        return None

    text = f"requestId {quoted(request.request_id)} belongs to another request: "
    return Error("RequestIdReused", text + "; ".join(differing))


def message_of(record: Record) -> str:
    """The JSON text that puts a request back on the queue: complete, with its id and deadline.

    Fields that the request does not have are left out: a null would be an error.
    """
    fields = {
        "publisherId": record.publisher_id,
        "offerId": record.offer_id,
        "productId": record.product_id,
        "submissionId": record.submission_id,
        "requestId": record.request_id,
        "expiresAt": rfc3339(record.deadline),
        "notificationEmails": record.notification_emails,
        "operationId": record.operation_id,
        "correlationId": record.correlation_id,
        "traceparent": record.traceparent,
    }
    return json.dumps({name: value for name, value in fields.items() if value is not None})
