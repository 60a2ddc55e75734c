"""`explain --replay` sends a failure's requests again, and only to threads of its own."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conformance.deployment.probe.identify import identify_deployment
from conformance.deployment.settings import Settings
from conformance.faults.registry import all_faults, faulty_deployment
from conformance.json_text import json_or_none
from conformance.report.record import CheckResult, Report
from conformance.report.run.write import report_json
from conformance.runner.replay import NotRepeatableError, _completed, replay
from conformance.runner.session import run_suite
from tests.conftest import command, served, threads_of
from tests.report_examples import RICH, check, exchange, failure, report_of

MakeSettings = Callable[..., Settings]


@pytest.fixture
def forgetful() -> Iterator[str]:
    """Yield the URL of a server whose copies lack the oldest state."""
    broken, wire = faulty_deployment(all_faults()["copy-forgets-the-oldest-state"])
    with served(broken.store, lambda _: wire) as url:
        yield url


def failed_on(url: str, settings_for: MakeSettings) -> tuple[CheckResult, Report]:
    settings = settings_for(url, requirements=("COPY-20",), repeat_failures=0)
    report = run_suite(settings, identify_deployment(settings))
    return next(each for each in report.checks if each.failure), report


@pytest.mark.slow
def test_a_failure_is_the_same_on_its_server_and_not_on_a_right_one(
    forgetful: str, reference: str, settings_for: MakeSettings, tmp_path: Path
) -> None:
    found, report = failed_on(forgetful, settings_for)
    again = replay(found, report, settings_for(forgetful))
    assert [each.differences for each in again.steps] == [()] * len(again.steps)
    assert again.same
    assert again.steps[-1].now[0] == 404
    assert again.cleanup.created == again.cleanup.removed > 0
    assert threads_of(forgetful) == {}

    before = threads_of(reference)
    right = replay(found, report, settings_for(reference, visible_within_s=0.1))
    assert not right.same
    assert (right.steps[-1].before[0], right.steps[-1].now[0]) == (404, 200)
    assert threads_of(reference) == before

    (tmp_path / "report.json").write_text(report_json(report), encoding="utf-8")
    told = command(tmp_path, "explain", "report.json", "COPY-20", "--replay", "--url", forgetful)
    assert told.returncode == 0, told.stderr
    assert "every answer is as it was, ids and times aside" in told.stdout
    embedded = command(
        tmp_path, "explain", "report.json", "COPY-20", "--replay", "--visible-within", "0.1"
    )
    assert "sent again to the embedded reference" in embedded.stdout
    assert "the last answer is another one" in embedded.stdout


THEIRS = "7a3f8c11-58c4-4d2e-9b7c-0123456789ab"


def one_failure(*exchanges: object) -> tuple[CheckResult, Report]:
    made = check("test_a", "COPY-03", "fail", failure=failure("broken", *exchanges))  # type: ignore[arg-type]  # exchanges
    return made, report_of([made])


def test_nothing_is_asked_of_threads_that_a_report_names(
    reference: str, settings_for: MakeSettings
) -> None:
    listing = exchange(
        operation="search",
        method="POST",
        url="http://127.0.0.1:2024/threads/search",
        request_body="{}",
        response_body=json.dumps([{"thread_id": THEIRS}]),
    )
    deleting = exchange(
        operation="delete", method="DELETE", url=f"http://127.0.0.1:2024/threads/{THEIRS}"
    )
    found, report = one_failure(listing, deleting)
    again = replay(found, report, settings_for(reference, visible_within_s=0.0))
    assert again.steps[-1].refused
    assert not again.same
    assert THEIRS not in str(again.steps[-1].now)


@pytest.mark.parametrize(
    ("cut", "whole"),
    [
        ('[{"a": "b", "c": [1, 2], "d": "lon… (50 characters in all)', [{"a": "b", "c": [1, 2]}]),
        ('{"a": {"b": "],}"}, "c": tr… (50 characters in all)', {"a": {"b": "],}"}}),
        ('{"a": "\\"… (50 characters in all)', None),
        ("long… (50 characters in all)", None),
    ],
)
def test_of_an_answer_that_is_cut_what_is_whole_is_read(cut: str, whole: object) -> None:
    # Ids are learned of it, such as those of the newest states of a long history.
    assert json_or_none(_completed(cut)) == whole


def test_no_state_is_named_that_no_answer_has_given(
    reference: str, settings_for: MakeSettings
) -> None:
    url = "http://127.0.0.1:2024/threads"
    thread = "9c2b6a1e-53f1-4d56-8c7e-61c1b0a9d7aa"
    making = exchange(
        operation="create", url=url, request_body=json.dumps({"thread_id": thread}),
        response_body=json.dumps({"thread_id": thread}),
    )  # fmt: skip
    looking = exchange(
        operation="history", method="GET", url=f"{url}/{thread}/history",
        response_body=json.dumps([{"checkpoint_id": THEIRS}]),
    )  # fmt: skip
    before = exchange(
        operation="post_history", url=f"{url}/{thread}/history",
        request_body=json.dumps({"before": {"checkpoint_id": THEIRS}}),
    )  # fmt: skip
    found, report = one_failure(making, looking, before)
    again = replay(found, report, settings_for(reference, disposable=True, visible_within_s=0.0))
    assert [each.refused for each in again.steps] == [False, False, True]
    assert "no answer has given the id" in again.steps[-1].now[1]


def test_nothing_more_is_sent_once_it_is_too_late(
    reference: str, settings_for: MakeSettings
) -> None:
    making = exchange(operation="create", url="http://127.0.0.1:2024/threads", request_body="{}")
    found, report = one_failure(making)
    assert replay(found, report, settings_for(reference), lambda: False).steps == ()


def test_a_request_that_is_quoted_in_part_is_sent_whole(
    reference: str, settings_for: MakeSettings
) -> None:
    url = "http://127.0.0.1:2024/threads"
    thread = "9c2b6a1e-53f1-4d56-8c7e-61c1b0a9d7aa"
    body = {"thread_id": thread, "metadata": {"it's": "x" * 9_000}}
    answer = json.dumps({"thread_id": thread})
    making = exchange(
        operation="create", url=url, request_body=json.dumps(body), response_body=answer
    )
    looking = exchange(operation="get", method="GET", url=f"{url}/{thread}", response_body=answer)
    found, report = one_failure(making, looking)
    assert found.failure is not None
    assert "characters in all" in found.failure.exchanges[0]["request_body"]
    again = replay(found, report, settings_for(reference, disposable=True, visible_within_s=0.0))
    assert [each.now[0] for each in again.steps] == [200, 200], again.steps
    assert "xxx" in again.steps[-1].now[1]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"request_body": "x… (9000 characters in all)"}, "too long for the report"),
        ({"url": "http://elsewhere/threads"}, "went elsewhere"),
        ({"url": "http://127.0.0.1:2024/threads/$THREAD"}, "other people's"),
        ({"operation": "thread_stream"}, "a stream or a restart"),
    ],
)
def test_what_a_report_does_not_hold_is_told(
    changes: dict[str, str], said: str, settings_for: MakeSettings
) -> None:
    found, report = one_failure(exchange(**changes))  # type: ignore[arg-type]  # a member by name
    with pytest.raises(NotRepeatableError, match=f"{said}.*run --requirement COPY-03"):
        replay(found, report, settings_for("http://127.0.0.1:1"))


def test_checks_of_access_are_not_sent_again(settings_for: MakeSettings) -> None:
    found, report = one_failure()
    found = dataclasses.replace(found, capability="access")
    with pytest.raises(NotRepeatableError, match="who sends a request"):
        replay(found, report, settings_for("http://127.0.0.1:1"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("COPY-04", "--replay", "--url", "http://127.0.0.1:1"), 3, "cannot connect"),
        (("SEARCH-02", "--replay"), 2, "there is nothing to send again"),
        (("COPY-04", "--url", "http://127.0.0.1:1"), 2, "add --replay"),
    ],
)
def test_where_it_cannot_be_sent_is_told(
    arguments: tuple[str, ...], status: int, said: str, tmp_path: Path
) -> None:
    (tmp_path / "report.json").write_text(report_json(RICH), encoding="utf-8")
    ended = command(tmp_path, "explain", "report.json", *arguments)
    assert ended.returncode == status
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_a_url_that_is_set_for_all_commands_asks_for_no_replay(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(report_json(RICH), encoding="utf-8")
    asked = ("explain", "report.json", "COPY-04")
    ended = command(tmp_path, *asked, THREADS_CONFORMANCE_URL="http://127.0.0.1:1")
    assert ended.returncode == 0, ended.stderr
