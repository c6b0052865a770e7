"""The app's settings: environment variables, checked together when the app is indexed.

The names and defaults are part of the public contract (see the README's table).
"""

import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache, partial
from typing import Annotated, Any, Literal

from croniter import CroniterError, croniter
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

from offer_cancellation.endpoints import api_origin, check_connection_string, service_url
from offer_cancellation.errors import SettingsError
from offer_cancellation.text import cut, mask_secrets

_LONG_RUN = re.compile(r"[A-Za-z0-9+/=_~.-]{32,}")
_VALUE_LIMIT = 200  # characters of a wrong value that are printed

_QUEUE = r"[a-z0-9](?:-?[a-z0-9])+"
_GUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_ANY_DAY = datetime(2024, 1, 1, tzinfo=UTC)  # a schedule that fires at all does so after it
_STEP = r"(/\d{1,2})?"
_NUMBERS = rf"(\*|\d{{1,2}}(-\d{{1,2}})?){_STEP}"
_MONTHS = rf"(\*|[A-Za-z0-9]{{1,3}}(-[A-Za-z0-9]{{1,3}})?){_STEP}"
_WEEKDAYS = rf"(\*|([0-6]|[A-Za-z]{{3}})(-([0-6]|[A-Za-z]{{3}}))?){_STEP}"


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

    try:
        croniter(value, _ANY_DAY, second_at_beginning=True, day_or=False).get_next()
    except CroniterError:
        raise ValueError("no such day") from None
    return value


def _table(value: str) -> str:
    if value.lower() == "tables":
        raise ValueError("the name is reserved")
    return value


# Typed as pydantic types `Field`, so that it stands as a default of any type.
def _setting(name: str, allowed: str, default: Any = ..., **limits: Any) -> Any:  # noqa: ANN401
    return Field(default, alias=name, description=allowed, **limits)


_ORIGIN_RULE = (
    "an https origin (http on loopback only) with a valid host name, without path, query or"
    " user info"
)
_SERVICE_RULE = "the https URL of that service with a valid host name, without user info and query"

QueueName = Annotated[str, Field(pattern=rf"^{_QUEUE}$", min_length=3, max_length=54)]
OutcomeQueueName = Annotated[str, Field(pattern=rf"^{_QUEUE}$", min_length=3, max_length=63)]
QueueServiceUrl = Annotated[str, AfterValidator(partial(service_url, service="queue"))]
TableServiceUrl = Annotated[str, AfterValidator(partial(service_url, service="table"))]


class Settings(BaseModel):
    """Every setting, validated. Durations are in the unit that the name says."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        allow_inf_nan=False,
        hide_input_in_errors=True,
        validate_default=True,
    )

    api_url: Annotated[str, AfterValidator(api_origin)] = _setting(
        "PARTNER_API_URL",
        _ORIGIN_RULE,
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
        "PARTNER_API_IF_MATCH",
        "* or an ETag in double quotes",
        None,
        pattern=r'^(\*|(W/)?"[!#-~]*")$',
    )
    api_timeout: float = _setting(
        "PARTNER_API_TIMEOUT_SECONDS", "1 to 120 seconds", 100, ge=1, le=120
    )
    api_client_id: str | None = _setting(
        "PARTNER_API_CLIENT_ID",
        "the client id (GUID) of a user-assigned identity",
        None,
        pattern=rf"^{_GUID}$",
    )
    api_app_id: str | None = _setting(
        "PARTNER_API_APP_ID",
        "the application (client) id (GUID) of an app registration",
        None,
        pattern=rf"^{_GUID}$",
    )
    api_tenant_id: str | None = _setting(
        "PARTNER_API_TENANT_ID",
        "the id (GUID) of the tenant that the application signs in to",
        None,
        pattern=rf"^{_GUID}$",
    )

    submission_api: Literal["off", "on"] = _setting("SUBMISSION_API", "off or on", "off")
    submission_api_url: Annotated[str, AfterValidator(api_origin)] = _setting(
        "SUBMISSION_API_URL",
        _ORIGIN_RULE,
        "https://api.partner.microsoft.com",
    )
    submission_api_scope: str = _setting(
        "SUBMISSION_API_SCOPE",
        "a resource followed by /.default",
        "https://api.partner.microsoft.com/.default",
        pattern=r"^[!-~]+/\.default$",
    )
    submission_api_publisher_id: int | None = _setting(
        "SUBMISSION_API_PUBLISHER_ID", "a positive whole number", None, gt=0
    )

    storage: str | None = _setting("CANCEL_STORAGE", "a storage connection string", None)
    storage_queue_url: QueueServiceUrl | None = _setting(
        "CANCEL_STORAGE__queueServiceUri", _SERVICE_RULE, None
    )
    storage_table_url: TableServiceUrl | None = _setting(
        "CANCEL_STORAGE__tableServiceUri", _SERVICE_RULE, None
    )
    storage_credential: str = _setting(
        "CANCEL_STORAGE__credential",
        "managedidentity",
        "managedidentity",
        pattern=r"^[mM]anaged[iI]dentity$",
    )
    storage_client_id: str | None = _setting(
        "CANCEL_STORAGE__clientId",
        "the client id (GUID) of a user-assigned identity",
        None,
        pattern=rf"^{_GUID}$",
    )

    cancel_queue: QueueName = _setting(
        "CANCEL_QUEUE",
        "3 to 54 lower-case letters, digits and single hyphens",
        "cancel-requests",
    )
    outcome_queue: OutcomeQueueName = _setting(
        "OUTCOME_QUEUE",
        "3 to 63 lower-case letters, digits and single hyphens, and not CANCEL_QUEUE,"
        " nor that with -poison or -rejected",
        "cancel-outcomes",
    )
    ledger_table: Annotated[str, AfterValidator(_table)] = _setting(
        "LEDGER_TABLE",
        "3 to 63 letters and digits, the first a letter, and not the reserved name tables",
        "cancellations",
        pattern=r"^[A-Za-z][A-Za-z0-9]{2,62}$",
    )

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
    deadline_hours: float = _setting("CANCEL_DEADLINE_HOURS", "1 to 144 hours", 24, ge=1, le=144)
    site_name: str = _setting(
        "WEBSITE_SITE_NAME", "set by Azure", "local", pattern=r"^[A-Za-z0-9._-]{1,128}$"
    )

    @field_validator("outcome_queue")
    @classmethod
    def _is_another_queue(cls, value: str, others: ValidationInfo) -> str:
        requests = others.data.get("cancel_queue")
        if value in (requests, f"{requests}-poison", f"{requests}-rejected"):
            raise ValueError("used by requests")
        return value

    @field_validator("backoff_max")
    @classmethod
    def _is_at_least_the_first(cls, value: float, others: ValidationInfo) -> float:
        if value < others.data.get("backoff_first", 0):
            raise ValueError("less than the first")
        return value

    @property
    def poison_queue(self) -> str:
        """Where the host puts messages that it has given up."""
        return f"{self.cancel_queue}-poison"

    @property
    def rejected_queue(self) -> str:
        """Where the app keeps the original texts of rejected messages."""
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
    errors = [*_storage_errors(given), *_application_errors(given)]

    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        errors += [_describe(detail, given) for detail in error.errors(include_url=False)]
    if errors:
        raise SettingsError("wrong settings:\n" + "\n".join(f"- {error}" for error in errors))

    return settings


def _describe(detail: ErrorDetails, given: Mapping[str, str]) -> str:
    place = detail["loc"][0]  # the field's own name where its default does not fit
    field = next(f for n, f in Settings.model_fields.items() if place in (n, f.alias))
    name = str(field.alias)
    value = _masked(given.get(name, str(field.default)))
    return f"{name} is {value!r}: allowed is {field.description}"


def _masked(value: str) -> str:
    """A value without what could be a secret: user info, a query, keys and tokens in any form."""
    value = re.sub(r"//.*@", "//***@", mask_secrets(value))
    value = re.sub(
        r"(://[^?]*\?|AccountKey=|SharedAccess\w*=).*", r"\1***", value, flags=re.IGNORECASE
    )
    return cut(_LONG_RUN.sub(_masked_run, value), _VALUE_LIMIT)


def _masked_run(run: re.Match[str]) -> str:
    """`***` for a run of letters in both cases and digits, as keys and tokens are."""
    return "***" if all(re.search(kind, run[0]) for kind in ("[a-z]", "[A-Z]", "[0-9]")) else run[0]


def _storage_errors(given: Mapping[str, str]) -> Iterator[str]:
    """The connection: a connection string or the two service URLs. Its value is a secret."""
    if text := given.get("CANCEL_STORAGE"):
        try:
            check_connection_string(text)
        except ValueError as error:
            yield (
                f"CANCEL_STORAGE is not a valid connection string ({error}; value hidden): allowed"
                " is 'UseDevelopmentStorage=true' or 'AccountName=…;AccountKey=…;…'"
            )
        return

    names = ("CANCEL_STORAGE__queueServiceUri", "CANCEL_STORAGE__tableServiceUri")
    rest = "" if any(map(given.get, names)) else ", or CANCEL_STORAGE a connection string"
    for name in names:
        if name not in given:
            yield f"{name} is missing: allowed is an https URL{rest}"


def _application_errors(given: Mapping[str, str]) -> Iterator[str]:
    """The application and its tenant: one without the other signs in nowhere."""
    names = ("PARTNER_API_APP_ID", "PARTNER_API_TENANT_ID")
    present = [name for name in names if name in given]
    if len(present) == 1:
        (missing,) = set(names) - set(present)
        value = _masked(given[present[0]])
        yield f"{missing} is missing, {present[0]} is {value!r}: allowed is both or neither"


@cache
def settings() -> Settings:
    """The settings of this process, read once. Raises SettingsError."""
    return load(os.environ)
