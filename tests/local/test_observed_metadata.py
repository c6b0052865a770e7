"""Texts that were sent through the real Functions host, and what it made of each.

`data/observed_on_host_4_1037.json` holds what replaced the trigger's metadata, as (type, value),
and whether Microsoft's worker could convert it; the development host must agree with every row.
"""

import json
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest
from azure.functions.meta import Datum

from local.host.message import trigger_metadata
from tests.local.test_host_message import make_message

OBSERVED = Path(__file__).parent / "data" / "observed_on_host_4_1037.json"
ROWS: list[dict[str, Any]] = json.loads(OBSERVED.read_text())["rows"]
LEFT_OUT = {"publisherId", "offerId"}

each_row = pytest.mark.parametrize("row", ROWS, ids=[f"row{n}" for n in range(len(ROWS))])


@each_row
def test_the_same_metadata_is_replaced(row: dict[str, Any]) -> None:
    """Each property that the host took from the text, with its type, and no other."""
    message, text = make_message(), row["text"]
    own = trigger_metadata("", message) | {"QueueTrigger": Datum(text, "string")}

    metadata = trigger_metadata(text, message)

    replaced = {
        name: [datum.type, datum.value]
        for name, datum in metadata.items()
        if name not in LEFT_OUT and own.get(name) != datum
    }
    assert replaced == row["replaced"]


@each_row
def test_the_same_messages_can_be_converted(row: dict[str, Any]) -> None:
    """What the SDK's own converter refuses never reaches the app, there as here."""
    converter = func.get_binding_registry().get("queueTrigger")  # type: ignore[no-untyped-call]
    metadata = trigger_metadata(row["text"], make_message())

    try:
        converter.decode(Datum(row["text"], "string"), trigger_metadata=metadata)
    except ValueError:
        is_delivered = False
    else:
        is_delivered = True

    assert is_delivered == row["delivered"]
