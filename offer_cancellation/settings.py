"""The app's settings: environment variables, checked together when the app is indexed.

The names and defaults are part of the public contract (see the README's table).
"""

import ipaddress
import os
import re
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any
from urllib.parse import urlsplit

from croniter import croniter
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails

from offer_cancellation.errors import SettingsError

_QUEUE = r"[a-z0-9](?:-?[a-z0-9])+"
_GUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_STEP = r"(/\d{1,2})?"
_NUMBERS = rf"(\*|\d{{1,2}}(-\d{{1,2}})?){_STEP}"
_MONTHS = rf"(\*|[A-Za-z0-9]{{1,3}}(-[A-Za-z0-9]{{1,3}})?){_STEP}"
_WEEKDAYS = rf"(\*|([0-6]|[A-Za-z]{{3}})(-([0-6]|[A-Za-z]{{3}}))?){_STEP}"


def _api_url(value: str) -> str:
    url = urlsplit(value)
    _ = url.port  # raises ValueError when it is no number
    secure = url.scheme == "https" or (url.scheme == "http" and _is_loopback(url.hostname or ""))
    if not secure or not url.hostname or "@" in url.netloc or url.path not in ("", "/"):
        raise ValueError("not an allowed origin")
    if not re.fullmatch(r"[!-~]+", value) or any(mark in value for mark in "?#\\"):
        raise ValueError("more than an origin")
    return value.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _service_url(value: str) -> str:
    url = urlsplit(value)
    if url.scheme != "https" or not url.hostname or "@" in url.netloc or "?" in value:
        raise ValueError("not a service URL")
    return value


def _schedule(value: str) -> str:
    fields = value.split()
    forms = [_NUMBERS] * 4 + [_MONTHS, _WEEKDAYS]
    fits = len(fields) == len(forms) and all(
        re.fullmatch(form, part)
        for form, field in zip(forms, fields, strict=True)
        for part in field.split(",")
    )
    if not fits or not croniter.is_valid(value, second_at_beginning=True):
        raise ValueError("not NCRONTAB")
    return value


def _setting(name: str, allowed: str, default: Any = ..., **limits: Any) -> Any:  # noqa: ANN401
    return Field(default, alias=name, description=allowed, **limits)


QueueName = Annotated[str, Field(pattern=rf"^{_QUEUE}$", min_length=3, max_length=56)]
OutcomeQueueName = Annotated[str, Field(pattern=rf"^{_QUEUE}$", min_length=3, max_length=63)]
ServiceUrl = Annotated[str, AfterValidator(_service_url)]


class Settings(BaseModel):
    """Every setting, validated. Durations are in the unit that the name says."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        allow_inf_nan=False,
        hide_input_in_errors=True,
        validate_default=True,
    )

    api_url: Annotated[str, AfterValidator(_api_url)] = _setting(
        "PARTNER_API_URL",
        "an https origin (http on loopback only) without path, query or user info",
        "https://cloudpartner.azure.com",
    )
    api_scope: str = _setting(
        "PARTNER_API_SCOPE",
        "a resource followed by /.default",
        "https://cloudpartner.azure.com/.default",
        pattern=r"^[!-~]+/\.default$",
    )
    api_version: str = _setting(
        "PARTNER_API_VERSION",
        "letters, digits, . and -",
        "2017-10-31",
        pattern=r"^[A-Za-z0-9.-]{1,40}$",
    )
    api_if_match: str | None = _setting(
        "PARTNER_API_IF_MATCH", "* or an ETag in double quotes", None,
        pattern=r'^(\*|(W/)?"[!#-~]*")$',
    )  # fmt: skip
    api_timeout: float = _setting(
        "PARTNER_API_TIMEOUT_SECONDS", "1 to 120 seconds", 100, ge=1, le=120
    )
    api_client_id: str | None = _setting(
        "PARTNER_API_CLIENT_ID", "the client id (GUID) of a user-assigned identity", None,
        pattern=rf"^{_GUID}$",
    )  # fmt: skip

    storage: str | None = _setting("CANCEL_STORAGE", "a storage connection string", None)
    storage_queue_url: ServiceUrl | None = _setting(
        "CANCEL_STORAGE__queueServiceUri", "an https URL without user info and query", None
    )
    storage_table_url: ServiceUrl | None = _setting(
        "CANCEL_STORAGE__tableServiceUri", "an https URL without user info and query", None
    )
    storage_credential: str = _setting(
        "CANCEL_STORAGE__credential", "managedidentity", "managedidentity",
        pattern=r"^[mM]anaged[iI]dentity$",
    )  # fmt: skip
    storage_client_id: str | None = _setting(
        "CANCEL_STORAGE__clientId", "the client id (GUID) of a user-assigned identity", None,
        pattern=rf"^{_GUID}$",
    )  # fmt: skip

    cancel_queue: QueueName = _setting(
        "CANCEL_QUEUE",
        "3 to 56 lower-case letters, digits and single hyphens",
        "cancel-requests",
    )
    outcome_queue: OutcomeQueueName = _setting(
        "OUTCOME_QUEUE",
        "3 to 63 lower-case letters, digits and single hyphens, and not CANCEL_QUEUE"
        " nor its poison queue",
        "cancel-outcomes",
    )
    ledger_table: str = _setting(
        "LEDGER_TABLE", "3 to 63 letters and digits, the first a letter", "cancellations",
        pattern=r"^[A-Za-z][A-Za-z0-9]{2,62}$",
    )  # fmt: skip

    poll_schedule: Annotated[str, AfterValidator(_schedule)] = _setting(
        "POLL_SCHEDULE", "an NCRONTAB expression of six fields, seconds first", "*/30 * * * * *"
    )
    poll_concurrency: int = _setting("POLL_CONCURRENCY", "1 to 256 polls", 32, ge=1, le=256)
    poll_grace: float = _setting("POLL_GRACE_SECONDS", "0 to 86400 seconds", 600, ge=0, le=86400)
    backoff_first: float = _setting(
        "BACKOFF_FIRST_SECONDS",
        "0 to 3600 seconds",
        15,
        ge=0,
        le=3600,
    )
    backoff_max: float = _setting(
        "BACKOFF_MAX_SECONDS",
        "0 to 3600 seconds, no less than BACKOFF_FIRST_SECONDS",
        300,
        ge=0,
        le=3600,
    )
    deadline_hours: float = _setting(
        "CANCEL_DEADLINE_HOURS", "more than 0 and at most 720 hours", 24, gt=0, le=720
    )
    site_name: str = _setting(
        "WEBSITE_SITE_NAME", "set by Azure", "local", pattern=r"^[A-Za-z0-9._-]{1,128}$"
    )

    @field_validator("outcome_queue")
    @classmethod
    def _is_no_other_queue(cls, value: str, others: ValidationInfo) -> str:
        requests = others.data.get("cancel_queue")
        if value in (requests, f"{requests}-poison"):
            raise ValueError("used by requests")
        return value

    @field_validator("backoff_max")
    @classmethod
    def _is_no_less_than_first(cls, value: float, others: ValidationInfo) -> float:
        if value < others.data.get("backoff_first", 0):
            raise ValueError("less than the first")
        return value

    @property
    def poison_queue(self) -> str:
        """Where the host, and the app, keep messages that cannot be worked on."""
        return f"{self.cancel_queue}-poison"

    @property
    def rejected_queue(self) -> str:
        """Where the app alone keeps the originals that it rejected."""
        return f"{self.cancel_queue}-rejected"

    @property
    def source(self) -> str:
        """The CloudEvents `source` of what this app reports."""
        return f"/offer-cancellation/{self.site_name}"

    @property
    def lease_seconds(self) -> float:
        """How long a claim holds: three API calls, and 15 s for what stands between them."""
        return 3 * self.api_timeout + 15


def load(environment: Mapping[str, str]) -> Settings:
    """Reads the settings; an empty variable counts as absent.

    Raises SettingsError that names every wrong setting, its value and what is allowed.
    """
    given = {name: value.strip() for name, value in environment.items() if value.strip()}
    faults = list(_storage_faults(given))
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        faults += [_describe(fault, given) for fault in error.errors(include_url=False)]
    if faults:
        raise SettingsError("wrong settings:\n" + "\n".join(f"- {fault}" for fault in faults))
    return settings


def _describe(fault: ErrorDetails, given: Mapping[str, str]) -> str:
    place = fault["loc"][0]  # the field's own name where its default does not fit
    field = next(f for n, f in Settings.model_fields.items() if place in (n, f.alias))
    name = str(field.alias)
    value = _masked(given.get(name, str(field.default)))
    return f"{name} is {value!r}: allowed is {field.description}"


def _masked(value: str) -> str:
    """A value without what could be a secret: user info, a SAS, an account key."""
    value = re.sub(r"//.*@", "//***@", value)
    hidden = r"(://[^?]*\?|AccountKey=|SharedAccessSignature=).*"
    return re.sub(hidden, r"\1***", value, flags=re.IGNORECASE)


def _storage_faults(given: Mapping[str, str]) -> list[str]:
    """The connection: a connection string or the two service URLs. Its value is a secret."""
    parts = ("CANCEL_STORAGE__queueServiceUri", "CANCEL_STORAGE__tableServiceUri")
    if text := given.get("CANCEL_STORAGE"):
        fields = {part.split("=")[0].strip().lower() for part in text.split(";") if part.strip()}
        if fields & {"usedevelopmentstorage", "accountname", "queueendpoint"}:
            return []
        return [
            (
                "CANCEL_STORAGE is no connection string (value hidden): allowed is"
                " 'UseDevelopmentStorage=true' or 'AccountName=…;AccountKey=…;…'"
            )
        ]
    return [
        f"{name} is missing: allowed is an https URL"
        + ("" if any(given.get(p) for p in parts) else ", or CANCEL_STORAGE a connection string")
        for name in parts
        if not given.get(name)
    ]


@cache
def settings() -> Settings:
    """The settings of this process, read once. Raises SettingsError."""
    return load(os.environ)
