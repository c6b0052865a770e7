"""Every exception that the app raises itself, named by what its catcher can do about it.

OfferCancellationError
├── SettingsError            mend the settings; nothing works before that (also a ValueError)
├── StorageError             try again later: a queue or the table failed, or answered nonsense
├── TokenUnavailableError    try again later: no token for an API or storage (also an SDK error)
├── LostUpdateError          leave it: another writer changed the record first
├── UnreadableRecordError    report it: the row does not hold a valid record
│   └── NewerRecordError     leave it: the row was written by a newer version of the app
└── InvocationError          deliver the message again: a bug
"""

from azure.core.exceptions import ClientAuthenticationError


class OfferCancellationError(Exception):
    """The base of all of them."""


class SettingsError(OfferCancellationError, ValueError):
    """One or more settings are wrong; the text names each, its value and what is allowed."""


class StorageError(OfferCancellationError):
    """A storage request failed, or its answer does not hold what was asked for.

    `status` is the HTTP status where there was one. The original exception is the cause.
    """

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status


class TokenUnavailableError(OfferCancellationError, ClientAuthenticationError):
    """No token could be had, and none is left that still holds.

    `code` is Entra's (`AADSTS…`) where its answer names one, else the type of what was raised;
    `detail` is what the identity said, secrets masked.
    """

    def __init__(self, text: str, code: str = "TokenUnavailable", detail: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.detail = detail


class LostUpdateError(OfferCancellationError):
    """Another writer changed the record first; what was to be written is not."""


class UnreadableRecordError(OfferCancellationError):
    """A row that does not hold a valid record; the text names the row and the columns at fault."""


class NewerRecordError(UnreadableRecordError):
    """A row of a version that this code does not know: it must be left alone."""


class InvocationError(OfferCancellationError):
    """A bug: the message is to be delivered again. The text quotes no message."""
