"""Bodies of runs that break the published schemas: refused, and nothing is changed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.expect import assert_refused, assert_untouched, require_refused
from conformance.checks.generators.schema_keywords import broken_keywords, with_own_ids
from conformance.checks.generators.wrong_bodies import MALFORMED_JSON
from conformance.checks.generators.wrong_run_bodies import (
    BATCH,
    FOLLOWED,
    FOLLOWED_STATELESS,
    ON_A_THREAD,
    OUT_OF_DISCONNECT,
    OUT_OF_ENUM,
    STATELESS,
    WRONG_RUN_TYPES,
    start_run,
    thread_offering_runs,
    valid_run,
)
from conformance.checks.outcomes import PromiseBroken, requires
from conformance.deployment.client import ThreadsClient
from conformance.deployment.settings import Settings
from conformance.safe_text import excerpt

#: The number of accepted bodies after which a check ends, since their runs may take long.
_MOST_ACCEPTED = 3
#: Members not tried: a webhook would send a request elsewhere; `on_disconnect` has its own
#: requirement.
_NOT_TRIED = ("webhook", "on_disconnect")


def _by_operation(ids: dict[str, str], stateless: str) -> pytest.MarkDecorator:
    """Parametrize by operation, each with its requirement.

    `ids` has the requirement of each operation on a thread; `stateless` is that of all others.
    """
    named = {**ids, **dict.fromkeys(STATELESS, stateless)}
    return pytest.mark.parametrize(
        "operation",
        [pytest.param(operation, marks=requires(named[operation])) for operation in named],
    )


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param("run_background", marks=requires("ERROR-JSON-10")),
        pytest.param("run_stream", marks=requires("ERROR-JSON-11")),
        *(pytest.param(each, marks=requires("ERROR-JSON-12")) for each in (*STATELESS, BATCH)),
    ],
)
def test_malformed_json_is_refused(
    given: ThreadsApi, client: ThreadsClient, operation: str
) -> None:
    thread = thread_offering_runs(given, operation)
    for raw in MALFORMED_JSON:
        assert_refused(start_run(client, operation, thread, raw=raw))


# Bodies of run_wait are judged by ERROR-TYPE-09.
@_by_operation({"run_background": "ERROR-TYPE-11", "run_stream": "ERROR-TYPE-12"}, "ERROR-TYPE-13")
def test_wrong_types_are_refused(given: ThreadsApi, client: ThreadsClient, operation: str) -> None:
    _assert_each_refused(given, client, operation, _completed(given, WRONG_RUN_TYPES[operation]))


@requires("ERROR-TYPE-14")
def test_a_batch_that_is_none_is_refused(given: ThreadsApi, client: ThreadsClient) -> None:
    thread = thread_offering_runs(given, BATCH)
    right = valid_run(given)
    for body in ({}, right, [], [5], [right, {}], [right, {**right, "metadata": 5}]):
        assert_refused(start_run(client, BATCH, thread, body))


@_by_operation(
    {
        "run_wait": "ERROR-RANGE-06",
        "run_background": "ERROR-RANGE-07",
        "run_stream": "ERROR-RANGE-08",
    },
    "ERROR-RANGE-10",
)
def test_values_outside_an_enumeration_are_refused(
    given: ThreadsApi, client: ThreadsClient, operation: str
) -> None:
    _assert_each_refused(given, client, operation, _completed(given, OUT_OF_ENUM[operation]))


@pytest.mark.parametrize(
    "operation",
    [
        *(pytest.param(each, marks=requires("ERROR-RANGE-09")) for each in FOLLOWED),
        *(pytest.param(each, marks=requires("ERROR-RANGE-11")) for each in FOLLOWED_STATELESS),
    ],
)
def test_another_word_for_on_disconnect_is_refused(
    given: ThreadsApi, client: ThreadsClient, operation: str
) -> None:
    _assert_each_refused(given, client, operation, _completed(given, OUT_OF_DISCONNECT))


@_by_operation(
    {"run_wait": "ERROR-ANY-14", "run_background": "ERROR-ANY-15", "run_stream": "ERROR-ANY-16"},
    "ERROR-ANY-17",
)
def test_whatever_breaks_a_keyword_is_refused(
    given: ThreadsApi, client: ThreadsClient, settings: Settings, operation: str
) -> None:
    schema = "run_create" if operation in ON_A_THREAD else "run_create_stateless"
    right = valid_run(given)
    broken = [
        with_own_ids(each.body, client.ownership)
        for each in broken_keywords(operation, schema, lambda: right, settings)
        if not any(each.keyword.startswith(f"/properties/{name}") for name in _NOT_TRIED)
    ]
    _assert_each_refused(given, client, operation, broken)


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param("run_background", marks=requires("ERROR-SAFE-09")),
        pytest.param("run_stream", marks=requires("ERROR-SAFE-10")),
    ],
)
def test_what_was_refused_changed_nothing(
    given: ThreadsApi, client: ThreadsClient, operation: str
) -> None:
    thread_offering_runs(given, operation)
    # A new thread: one that has just been run may still change.
    thread = given.empty()

    def refuse() -> None:
        for body in _completed(given, WRONG_RUN_TYPES[operation]):
            require_refused(start_run(client, operation, thread, body))

    assert_untouched(given, thread, refuse)


def _assert_each_refused(
    given: ThreadsApi, client: ThreadsClient, operation: str, bodies: Iterable[Any]
) -> None:
    thread = thread_offering_runs(given, operation)
    accepted = []
    for body in bodies:
        answer = start_run(client, operation, thread, body)
        if not 400 <= answer.status < 500:
            accepted.append(f"{answer.status} to {excerpt(json.dumps(body), 300)}")
            if len(accepted) == _MOST_ACCEPTED:
                break
    if accepted:
        raise PromiseBroken(
            "a refusal by 4xx of every body that does not fit what is published",
            excerpt("; ".join(accepted)),
            tuple(accepted),
        )


def _completed(given: ThreadsApi, wrong: Iterable[Any]) -> list[Any]:
    """Return valid bodies with one wrong part each; what is empty or no object is left as it is."""
    right = valid_run(given)
    return [{**right, **each} if isinstance(each, dict) and each else each for each in wrong]
