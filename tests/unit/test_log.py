"""Log records: constant event names with structured fields."""

import logging

import pytest

from offer_cancellation import log

LOGGER = logging.getLogger("tests.log")


def _fields(logged: logging.LogRecord) -> dict[str, object]:
    """What a record carries beyond what every record does."""
    return {name: value for name, value in vars(logged).items() if name not in log._RESERVED}


def test_event_name_and_fields(caplog: pytest.LogCaptureFixture) -> None:
    """A log record is a constant name, and its fields are those that have a value."""
    caplog.set_level(logging.INFO)
    log.event(LOGGER, "cancel.accepted", requestId="nightly", httpStatus=202, code=None)
    [logged] = caplog.records
    assert ("cancel.accepted", logging.INFO) == (logged.getMessage(), logged.levelno)
    assert {"requestId": "nightly", "httpStatus": 202} == _fields(logged)


def test_event_masks_emails(caplog: pytest.LogCaptureFixture) -> None:
    """An e-mail address never reaches a log."""
    caplog.set_level(logging.INFO)
    log.event(LOGGER, "cancel.deferred", correlationId="for jane@contoso.com")
    assert {"correlationId": "for <e-mail>"} == _fields(caplog.records[0])


def test_event_masks_lists(caplog: pytest.LogCaptureFixture) -> None:
    """Addresses within a list are masked, too, and a long list is cut."""
    caplog.set_level(logging.INFO)
    fields = ["jondoe@contoso.com", *map(str, range(30))]
    log.event(LOGGER, "cancel.invalid", fields=fields)
    assert {"fields": ["<e-mail>", *map(str, range(19))]} == _fields(caplog.records[0])


def test_event_below_level(caplog: pytest.LogCaptureFixture) -> None:
    """What a level shuts out is not logged."""
    caplog.set_level(logging.WARNING)
    log.event(LOGGER, "cancel.left")
    log.event(LOGGER, "cancel.bug", logging.ERROR)
    assert ["cancel.bug"] == [logged.getMessage() for logged in caplog.records]


@pytest.mark.parametrize("name", ["message", "asctime", "name", "args"])
def test_event_refuses_reserved_fields(name: str) -> None:
    """A field that logging keeps for itself is a bug, whatever the level."""
    with pytest.raises(ValueError, match=rf"log fields \['{name}'\] are reserved"):
        log.event(LOGGER, "cancel.left", logging.DEBUG, **{name: "x"})


def test_fault_fields() -> None:
    """An exception is logged by its type and place, never by its text."""

    def inner() -> None:
        raise KeyError("a secret")

    try:
        inner()
    except KeyError as fault:
        fields = log.fault_fields(fault)
    line = inner.__code__.co_firstlineno
    assert {
        "fault": "KeyError",
        "where": f"inner:{line + 1} < test_fault_fields:{line + 4}",
    } == fields


def test_quiet_libraries() -> None:
    """Loggers that would print whole URLs stay silent at INFO."""
    log.quiet_libraries()
    for name in ("httpx", "azure.core.pipeline.policies.http_logging_policy", "azure.identity"):
        assert not logging.getLogger(name).isEnabledFor(logging.INFO)


JWT = "eyJhbGciOiJIUzI1NiJ9.eyJhdWQiOiJodHRwczovL2Nsb3VkIn0.c2lnbmF0dXJl"


def test_event_masks_secrets(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing that looks like a secret reaches a log, whatever it came from."""
    log.event(LOGGER, "cancel.bug", logging.ERROR, detail=f"Bearer {JWT}", faults=["?sig=abc"])
    assert {"detail": "Bearer ***", "faults": ["?sig=***"]} == _fields(caplog.records[0])


@pytest.mark.parametrize("name", ["azure.identity._internal.decorators", "azure", "msal.token"])
def test_libraries_are_masked(caplog: pytest.LogCaptureFixture, name: str) -> None:
    """The libraries' own records are masked, arguments and exceptions too; reasons stay."""
    log.quiet_libraries()
    reply = {"access_token": "opaque", "refresh_token": JWT}

    logging.getLogger(name).warning("AADSTS500011: bad reply %s", reply)
    try:
        int(f"Bearer {JWT}")
    except ValueError:
        logging.getLogger(name).exception("failed for %s", "jane@contoso.com")

    expected = [
        "AADSTS500011: bad reply {'access_token': '***', 'refresh_token': '***'}",
        "failed for <e-mail>; ValueError: invalid literal for int() with base 10: 'Bearer ***'",
    ]
    texts = [record.getMessage().partition("; test_libraries")[0] for record in caplog.records]
    assert expected == texts
    assert JWT not in caplog.text


def test_other_loggers_are_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    """Records of other loggers keep their arguments, however often this is installed."""
    log.quiet_libraries()
    factory = logging.getLogRecordFactory()
    log.quiet_libraries()

    logging.getLogger("azurite").warning("at %s", "jane@contoso.com")

    assert factory is logging.getLogRecordFactory()
    assert ("jane@contoso.com",) == caplog.records[0].args
    assert "azure" == logging.makeLogRecord({"name": "azure"}).name
