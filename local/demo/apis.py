"""Tells the stack's two APIs what a scenario wants of them, and counts the calls they got."""

from local.demo.scenario import Scenario
from local.portal.submission_script import SubmissionScript
from local.stack import Stack


def tell(stack: Stack, scenario: Scenario) -> None:
    """Hand the scenario's script to its API."""
    if isinstance(scenario.script, SubmissionScript):
        stack.submissions.script(scenario.target, scenario.script)
    elif scenario.script is not None:
        stack.portal.script(scenario.target, scenario.script, scenario.publisher_id)


def count_cancels(stack: Stack, scenario: Scenario) -> int:
    """How many cancel calls its API acted on: POSTs, or DELETEs."""
    if isinstance(scenario.script, SubmissionScript):
        return stack.submissions.count("delete", scenario.target)

    return stack.portal.count("cancel", scenario.target, scenario.publisher_id)


def refusals(stack: Stack) -> list[str]:
    """What either API refused."""
    return [*stack.portal.refused, *stack.submissions.refused]
