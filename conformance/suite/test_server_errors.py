"""Requests about ended runs and deleted threads, which other checks send only in passing.

No answer is judged here: all answers by 500 are judged together, see `runner/server_errors.py`.
"""

from functools import partial

from conformance.checks.api import ThreadsApi
from conformance.checks.comparison_count import count_judgement
from conformance.checks.outcomes import requires
from conformance.checks.runs import Runs
from conformance.checks.views import id_of
from conformance.deployment.client import ThreadsClient


@requires("ERROR-INTERNAL-01")
def test_what_is_over_is_asked_for(
    given: ThreadsApi, given_runs: Runs, client: ThreadsClient
) -> None:
    thread = given.empty()
    run = given_runs.start(thread, "agent")
    given_runs.join(run)
    # An ended run is cancelled, and a run and a thread are deleted twice.
    client.runs.cancel(run.thread_id, run.run_id)
    for delete in (
        partial(client.runs.delete, run.thread_id, run.run_id),
        partial(client.delete, id_of(thread)),
    ):
        for _ in range(2):
            delete()
        client.runs.get(run.thread_id, run.run_id)
        client.runs.cancel(run.thread_id, run.run_id)
        client.run_join(run.thread_id, run.run_id)
        client.runs.list(id_of(thread))
        client.get(id_of(thread))
    count_judgement()
