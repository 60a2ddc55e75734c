"""The orders that a search can be asked for, and which of them a deployment knows."""

from conformance.deployment.client import ThreadsClient
from conformance.suite.case import Case

#: What a search may be sorted by, as published.
SORTED_BY = ("thread_id", "status", "created_at", "updated_at", "state_updated_at")


def refused_orders(ask: ThreadsClient, case: Case) -> set[str]:
    """Those that a search refuses, as SORT-01 to SORT-05 tell: nobody else sorts by them."""
    asked = {each: ask.search({"metadata": case.tag, "sort_by": each}) for each in SORTED_BY}
    return {each for each, answer in asked.items() if not answer.ok}
