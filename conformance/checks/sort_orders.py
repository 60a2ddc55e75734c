"""The orders that a search can be asked for, and which of them a deployment knows."""

from conformance.checks.context import CheckContext
from conformance.deployment.client import ThreadsClient

#: What a search may be sorted by, as published.
SORTED_BY = ("thread_id", "status", "created_at", "updated_at", "state_updated_at")


def refused_orders(client: ThreadsClient, context: CheckContext) -> set[str]:
    """Those that a search refuses, as SORT-01 to SORT-05 tell: nobody else sorts by them."""
    asked = {each: client.search({"metadata": context.tag, "sort_by": each}) for each in SORTED_BY}
    return {each for each, answer in asked.items() if not answer.ok}
