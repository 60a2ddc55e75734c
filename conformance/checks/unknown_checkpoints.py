"""Pages of a history that begin before a checkpoint which the thread does not have."""

from __future__ import annotations

from collections.abc import Sequence

from conformance.checks.api import ThreadsApi
from conformance.checks.comparison_count import count_judgement
from conformance.checks.expect import assert_refused, assert_that
from conformance.checks.views import checkpoint_id_of
from conformance.deployment.client import Answer

#: An id in the form of langgraph's checkpoint ids, a UUID of version 6, but older than any of them.
UNKNOWN_CHECKPOINT = "1ef00000-0000-6000-8000-000000000000"
#: Ids of no checkpoint: older and newer than any other, without a time, and no UUID.
UNKNOWN_CHECKPOINTS = (
    UNKNOWN_CHECKPOINT,
    "1fffffff-ffff-6fff-bfff-ffffffffffff",
    "7d9c8f0a-3b5e-4c1d-9e2f-6a7b8c9d0e1f",
    "no-such-checkpoint",
)


def assert_refused_or_some_states(
    given: ThreadsApi, answer: Answer, checkpoint_ids: Sequence[str]
) -> None:
    """Assert that an answer is a 4xx, or a page with some or none of these states in their order.

    No source says what is before a checkpoint that a thread does not have.
    """
    if not answer.ok:
        assert_refused(answer)
        return
    count_judgement()
    shown = [checkpoint_id_of(state) for state in given.list_of(answer)]
    some = [each for each in checkpoint_ids if each in shown]
    assert_that(shown == some, "a refusal by 4xx, or states of the thread, newest first", shown)
