"""How long `host.json` lets a message that cannot be delivered go round."""

from datetime import timedelta
from pathlib import Path

from local.host.host_json import HostJson

LOOKS_INTO_THE_POISON_QUEUE = timedelta(seconds=30)  # the default of POLL_SCHEDULE


def test_what_the_host_cannot_deliver_has_its_outcome_within_six_minutes() -> None:
    """Five tries, a visibility time-out apart, then the next tick adopts the message."""
    queues = HostJson.load(Path(__file__).parents[2] / "host.json").queues

    given_up_after = queues.visibility_timeout * queues.max_dequeue_count

    assert 5 == queues.max_dequeue_count
    assert given_up_after + LOOKS_INTO_THE_POISON_QUEUE <= timedelta(minutes=6)
