"""What `host.json` promises for an outage of storage."""

from datetime import timedelta
from pathlib import Path

from local.host.host_json import HostJson


def test_an_outage_of_storage_poisons_nothing() -> None:
    """A message fails once a visibility time-out: two hours of that fit into its tries."""
    queues = HostJson.load(Path(__file__).parents[2] / "host.json").queues
    patience = queues.visibility_timeout * queues.max_dequeue_count
    assert timedelta(hours=2) <= patience
