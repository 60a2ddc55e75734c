"""The members that a search can sort by, and which of them a deployment refuses."""

from collections.abc import Iterable

from conformance.checks.check_context import CheckContext
from conformance.deployment.client import ThreadsClient

#: The published values of `sort_by`.
SORTED_BY = ("thread_id", "status", "created_at", "updated_at", "state_updated_at")


def refused_orders(
    client: ThreadsClient, context: CheckContext, members: Iterable[str] = SORTED_BY
) -> set[str]:
    """Return those of `members` by which a search refuses to sort: SORT-01 to SORT-05 judge it."""
    asked = {each: client.search({"metadata": context.tag, "sort_by": each}) for each in members}
    return {each for each, answer in asked.items() if not answer.ok}
