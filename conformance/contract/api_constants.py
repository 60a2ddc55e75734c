"""Facts of the published API that the checks, the reference and `plant` need alike.

Source: the OpenAPI document of langgraph-api 0.16.7, in `fixtures/published`.
"""

from __future__ import annotations

#: The statuses of a thread.
THREAD_STATUSES = ("idle", "busy", "interrupted", "error")
#: The largest `limit` of a search or of a history.
LONGEST_PAGE = 1000
#: The default `limit` of a list of runs.
DEFAULT_LIST_OF_RUNS = 10
