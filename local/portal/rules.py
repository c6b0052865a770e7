"""Says what the scripted portal accepts: the contract of the API, as strictly as it is documented.

Pure checks that return what is wrong; who answers, and how, is the portal's business.
"""

import json
import re
from dataclasses import dataclass

from aiohttp import web

API_VERSION = "2017-10-31"
AUDIENCE = "https://cloudpartner.azure.com"

_SLOT_ID = re.compile(r"(?P<publisher>[^$]+)\$(?P<offer>[^$]+)\$(?P<number>\d+)\$(?P<slot>\w+)")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer to a request that breaks the contract."""

    status: int
    code: str
    message: str


def split_slot_id(text: str) -> tuple[str, str] | None:
    """Return publisher and offer of an id like `contoso$offer$2$preview`."""
    match = _SLOT_ID.fullmatch(text)
    return (match["publisher"], match["offer"]) if match else None


def check_query(request: web.Request, optional: frozenset[str]) -> Refusal | None:
    """The api-version once and exactly, and no parameter that the call does not have."""
    versions = request.query.getall("api-version", [])
    if versions != [API_VERSION]:
        message = f"Invalid api version. Allowed values are [{API_VERSION}]"
        return Refusal(400, "InvalidAPIVersion", message)

    others = [name for name in request.query if name != "api-version"]
    if unknown := set(others) - optional:
        return Refusal(400, "BadRequest", f"Unknown query parameters: {sorted(unknown)}")

    if len(others) != len(set(others)):
        return Refusal(400, "BadRequest", "A query parameter is given twice.")

    return None


def check_cancel(content_type: str, body: str) -> Refusal | None:
    """The body of a cancel call: `metadata`, in it at most `notification-emails`."""
    if content_type != "application/json":
        return Refusal(400, "BadRequest", f"Content-Type is {content_type}, not application/json.")

    try:
        document = json.loads(body)
    except ValueError as error:
        return Refusal(400, "BadRequest", f"The body is not JSON: {error}")

    if not isinstance(document, dict) or set(document) != {"metadata"}:
        return Refusal(400, "BadRequest", 'The body must be {"metadata": {…}} and nothing else.')

    metadata = document["metadata"]
    if not isinstance(metadata, dict) or not set(metadata) <= {"notification-emails"}:
        return Refusal(400, "BadRequest", "metadata takes notification-emails and nothing else.")

    if "notification-emails" in metadata and not _is_address_list(metadata["notification-emails"]):
        return Refusal(
            400, "BadRequest", "notification-emails must be addresses separated by commas."
        )

    return None


def _is_address_list(value: object) -> bool:
    if not isinstance(value, str):
        return False

    return all(re.fullmatch(r"\s*[^\s@,]+@[^\s@,]+\s*", part) for part in value.split(","))
