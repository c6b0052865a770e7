"""Interleavings that lost something under older rules, played in a simulated world.

Each is found by the seeds, too, when the rule that closes it is taken out (`simulation/mutants`).
"""

from dataclasses import replace

from simulation import plan, world
from simulation.api import Manners
from simulation.chance import Chance
from simulation.faults import kinds
from simulation.network import Call, Fate
from simulation.plan import Asked, Plan
from simulation.storage.queues import Message
from simulation.world import Result, World

NO_FAULTS = frozenset(kind.name for kind in kinds())
NINE_MINUTES = 540.0


def _plan(asked: Asked, machines: int = 2) -> Plan:
    usual = plan.make(Chance(0))
    return replace(
        usual,
        machines=machines,
        skew=0.0,
        drift=0.0,
        api_timeout=100,
        faults_end=1800.0,
        token_lifetime=86400.0,
        asked=(asked,),
        buckets="0123456789abcdef",
    )


def _events(result: Result) -> list[str]:
    return [line.split("the event ")[1] for line in result.story if "the event " in line]


def test_a_frozen_claimer_dies_before_its_event() -> None:
    """A message outlives a claimer that froze before its claim and died after its final record:
    another process completes the message at the live lease, and the due row owes the event.
    """
    asked = Asked("offer", Manners("200"), at=1.0, request_id="id")
    met: list[str] = []

    def script(it: World) -> None:
        notice = it.queues.was_moved

        def freeze_who_fetched(queue: str, message: Message) -> None:
            notice(queue, message)
            if not met:
                met.append("frozen")
                it.machines[0].freeze(NINE_MINUTES, with_host=True)

        def decide(call: Call, fate: Fate) -> None:
            machine = next((m for m in it.machines if m.worker is call.owner), None)
            if machine is None or call.invocation is None or call.invocation.kind != "message":
                return
            if call.service == "api":
                fate.reply_seconds = 90.0  # until its message has come back
            elif call.service == "queue" and "dead" not in met:
                met.append("dead")
                fate.lost_request = True
                machine.kill()

        it.queues.was_moved = freeze_who_fetched
        it.later(0.5, lambda: it.machines[1].freeze(NINE_MINUTES, with_host=True))
        it.network.deciders.append(decide)

    result = world.run(0, without=NO_FAULTS, given=_plan(asked), script=script)

    assert "" == result.violation
    assert ["frozen", "dead"] == met
    assert ["canceled"] == _events(result)


def test_the_table_goes_away_after_the_claim_of_a_message_without_an_id() -> None:
    """It is one request with one id, although the host gives its message up."""
    asked = Asked("offer", Manners("200"), at=1.0, kind="anonymous")

    def script(it: World) -> None:
        def decide(call: Call, fate: Fate) -> None:
            claimed = bool(it.ledger.records)
            if call.service == "table" and claimed and it.loop.time() < 900:
                fate.refused = "refused"

        it.network.deciders.append(decide)

    result = world.run(0, without=NO_FAULTS, given=_plan(asked), script=script)

    assert "" == result.violation
    assert 1 == result.counts["ended canceled"] + result.counts["ended rejected"]


def test_the_reply_to_the_final_write_is_lost() -> None:
    """The write is recognised as the own one, and the event is sent once."""
    asked = Asked("offer", Manners("200"), at=1.0, request_id="id")
    lost: list[int] = []

    def script(it: World) -> None:
        def decide(call: Call, fate: Fate) -> None:
            has_posted = any(offer.posts for offer in it.api.offers.values())
            if call.request.path == "/$batch" and has_posted and not lost:
                lost.append(call.number)
                fate.lost_reply = fate.reset = True

        it.network.deciders.append(decide)

    result = world.run(0, without=NO_FAULTS, given=_plan(asked), script=script)

    assert "" == result.violation
    assert (1, 1) == (len(lost), result.counts["a lost reply recognised"])
    assert ["canceled"] == _events(result)
