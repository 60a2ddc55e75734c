"""The commands of a failure really repeat its requests when pasted into a shell."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from conformance.deployment.client import ThreadsClient
from conformance.deployment.connect import connect
from conformance.deployment.record.exchange import Exchange
from conformance.deployment.record.reproduction import (
    LONGEST_COMMAND,
    MOST_COMMANDS,
    numbered_commands,
    reproduction,
)
from conformance.deployment.settings import Settings, documented_supersteps
from conformance.model.threads import Threads
from tests.conftest import served, threads_of
from tests.store_variants import store_of

MakeSettings = Callable[..., Settings]
Story = Callable[[ThreadsClient], Any]


def run(commands: str) -> list[str]:
    """What each of the commands prints: one answer a line."""
    for tool in ("bash", "curl", "jq"):
        if shutil.which(tool) is None:
            pytest.skip(f"the commands need {tool}, which is not on PATH")
    separated = commands.replace("\n", "\necho\n")
    ended = subprocess.run(["bash", "-euc", separated], capture_output=True, text=True, check=True)
    return ended.stdout.splitlines()


def commands_of(numbered_commands: Story, settings: Settings) -> str:
    with connect(settings) as connection, connection.recorder.check("check") as exchanges:
        numbered_commands(connection.client)
        return reproduction(exchanges, removes=False)


ODD = "it's \"quoted\" $HOME `date` \\n ünï \n line\tand 'more'"


def test_odd_characters_arrive_as_they_were(reference: str, settings_for: MakeSettings) -> None:
    commands = commands_of(
        lambda client: client.create({"metadata": {"odd": ODD, "'": [ODD]}}),
        settings_for(reference, disposable=True),
    )
    before = threads_of(reference)
    run(commands)
    (made,) = (each for key, each in threads_of(reference).items() if key not in before)
    assert made["metadata"] == {"odd": ODD, "'": [ODD]}


def test_ids_that_the_deployment_chose_are_taken_from_its_answers(
    reference: str, settings_for: MakeSettings
) -> None:
    made: list[str] = []

    def numbered_commands(client: ThreadsClient) -> None:
        source = client.create({"metadata": {"a": 1}}).body["thread_id"]
        copy = client.copy(source).body["thread_id"]
        client.update(source, {"metadata": {"copied_to": copy}})
        client.get(source)
        client.get(copy)
        made.extend((source, copy))

    commands = commands_of(numbered_commands, settings_for(reference, disposable=True))
    assert not any(each in commands for each in made)
    *_, source, copy = (json.loads(line) for line in run(commands) if line)
    assert source["metadata"] == {"a": 1, "copied_to": copy["thread_id"]}
    assert copy["metadata"] == {"a": 1}
    assert not {source["thread_id"], copy["thread_id"]} & set(made)


def prepopulated(client: ThreadsClient) -> str:
    supersteps = documented_supersteps()
    body = {"metadata": {"graph_id": "agent"}, "supersteps": supersteps}
    return str(client.create(body).body["thread_id"])


def test_checkpoints_are_taken_from_the_answers(reference: str, settings_for: MakeSettings) -> None:
    def forked(client: ThreadsClient) -> None:
        thread = prepopulated(client)
        states = client.history(thread).body
        client.state_at_checkpoint(thread, states[1]["checkpoint_id"])

    commands = commands_of(forked, settings_for(reference, disposable=True))
    assert re.search(r"^CHECKPOINT_1=", commands, re.MULTILINE)
    (before,) = (json.loads(line) for line in run(commands) if line)
    assert before["next"] == ["call_model"]


def test_a_story_numbers_every_request(reference: str, settings_for: MakeSettings) -> None:
    def told(client: ThreadsClient) -> None:
        thread = prepopulated(client)
        for _ in range(MOST_COMMANDS):
            client.state(thread)
        client.get(str(client.ownership.absent_id()))

    with (
        connect(settings_for(reference, disposable=True)) as connection,
        connection.recorder.check("check") as exchanges,
    ):
        prepopulated(connection.client)
        connection.recorder.forget()
        told(connection.client)
        lines = numbered_commands(exchanges).splitlines()
    assert lines[0] == "# 1. POST /threads answers 200"
    assert lines[1].startswith("THREAD_1=$(curl ")
    assert re.fullmatch(r"# 2\. GET /threads/[0-9a-f-]{36}/state answers 200", lines[2])
    assert lines[3].startswith("curl ")
    assert re.fullmatch(rf"# {MOST_COMMANDS + 2}\. GET /threads/[0-9a-f-]+ answers 404", lines[-2])
    assert len(lines) == 2 * (MOST_COMMANDS + 2)


def test_ids_that_the_check_chose_stay(reference: str, settings_for: MakeSettings) -> None:
    chosen: list[str] = []

    def numbered_commands(client: ThreadsClient) -> None:
        chosen.append(client.ownership.new_id())
        client.create({"thread_id": chosen[0]})
        client.get(chosen[0])
        client.delete(chosen[0])

    commands = commands_of(numbered_commands, settings_for(reference, disposable=True))
    assert commands.count(chosen[0]) == 3
    assert json.loads(run(commands)[1])["thread_id"] == chosen[0]


def test_a_query_and_a_path_are_sent_as_they_were(
    reference: str, settings_for: MakeSettings
) -> None:
    def numbered_commands(client: ThreadsClient) -> None:
        client.get(client.ownership.malformed_id("no uuid & more/of 'it'"))
        own = client.ownership.new_id()
        client.create({"thread_id": own})
        client.history(own, limit=1, before="a b&c")

    settings = settings_for(reference, disposable=True)
    with connect(settings) as connection, connection.recorder.check("check") as exchanges:
        numbered_commands(connection.client)
    for each in (exchanges[0], exchanges[2]):
        for base in ("", reference):
            *_, answer = run(reproduction([each], base))
            assert answer == each.response_body


def test_secrets_are_not_in_the_commands(reference: str, settings_for: MakeSettings) -> None:
    settings = settings_for(reference, headers=(("x-api-key", "swordfish"),))
    commands = commands_of(lambda client: client.info(), settings)
    assert "swordfish" not in commands
    assert commands.splitlines()[0] == (
        ': "${TOKEN:?set it to the secret of the header x-api-key}"'
    )
    assert "-H 'x-api-key: '\"$TOKEN\"" in commands


def test_a_secret_that_is_not_set_is_told_before_anything_is_sent(reference: str) -> None:
    given = exchange(1, request_headers=(("authorization", "Bearer [redacted]"),))
    commands = reproduction([given])
    assert "-H 'authorization: Bearer '\"$TOKEN\"" in commands
    ended = subprocess.run(["bash", "-c", commands], capture_output=True, text=True)
    assert ended.returncode != 0
    assert "TOKEN: set it to the secret of the header authorization" in ended.stderr


def test_several_secrets_have_the_names_of_their_headers() -> None:
    headers = (("X-Api-Key", "[redacted]"), ("cookie", "session=[redacted]"))
    commands = reproduction([exchange(1, request_headers=headers)])
    assert "-H 'X-Api-Key: '\"$X_API_KEY\" -H 'cookie: session='\"$COOKIE\"" in commands
    assert commands.count(":?set it to") == 2


def test_the_url_is_a_variable_so_that_it_can_be_sent_elsewhere(
    reference: str, settings_for: MakeSettings
) -> None:
    def story(client: ThreadsClient) -> None:
        source = client.create({"metadata": {"a": "b"}}).body["thread_id"]
        client.get(client.copy(source).body["thread_id"])

    settings = settings_for(reference, disposable=True)
    with connect(settings) as connection, connection.recorder.check("check") as exchanges:
        story(connection.client)
        commands = reproduction(exchanges, f"{reference}/", removes=False)
    assert commands.startswith(f"URL='{reference}'\n")
    assert commands.count(reference) == 1
    with served(store_of(Threads)) as elsewhere:
        (answer,) = filter(None, run(commands.replace(reference, elsewhere)))
        assert json.loads(answer)["thread_id"] in threads_of(elsewhere)


REMOVAL = "# to end with: removes what these commands made"


@pytest.mark.parametrize("based", [True, False])
def test_what_was_made_is_removed_at_the_end_so_that_it_can_be_sent_again(
    based: bool, reference: str, settings_for: MakeSettings
) -> None:
    chosen: list[str] = []

    def story(client: ThreadsClient) -> None:
        chosen.extend(client.ownership.new_id() for _ in range(3))
        for each in chosen:
            client.create({"thread_id": each})
        client.delete(chosen[-1])
        client.count({})

    settings = settings_for(reference, disposable=True)
    with connect(settings) as connection, connection.recorder.check("check") as exchanges:
        story(connection.client)
        commands = reproduction(exchanges, f"{reference}/" if based else "")
    before, removal, after = commands.partition(REMOVAL)
    assert removal
    assert after.count(" -X DELETE ") == 2
    assert [each in after for each in chosen] == [True, True, False]
    with served(store_of(Threads)) as elsewhere:
        for _ in range(2):
            run(commands.replace(reference, elsewhere))
            assert threads_of(elsewhere) == {}
        run(before.replace(reference, elsewhere))
        assert len(threads_of(elsewhere)) == 2


def test_no_thread_is_removed_that_only_an_answer_named(settings_for: MakeSettings) -> None:
    """A server that answers with somebody else's id must not have that thread deleted."""
    theirs = str(uuid4())
    url = "http://127.0.0.1:1/threads"
    answer = json.dumps({"thread_id": theirs, "metadata": {}})
    made = [
        exchange(1, operation="create", method="POST", url=url, request_body="{}"),
        exchange(2, operation="copy", method="POST", url=f"{url}/{uuid4()}/copy"),
        # Under the id that the answer before has shown.
        exchange(
            3, operation="create", method="POST", url=url,
            request_body=json.dumps({"thread_id": theirs, "if_exists": "do_nothing"}),
        ),
    ]  # fmt: skip
    told = [replace(each, status=200, response_body=answer) for each in made]
    commands = reproduction([*told, exchange(4, operation="count", method="POST")], "")
    assert "DELETE it" in commands
    assert " -X DELETE " not in commands


def test_the_status_is_told_beside_the_answer(reference: str) -> None:
    given = exchange(1, request_headers=(), url=f"{reference}/threads/{uuid4()}")
    ended = subprocess.run(
        ["bash", "-euc", reproduction([given])], capture_output=True, text=True, check=True
    )
    assert ended.stderr == " -> 404\n"
    assert "detail" in json.loads(ended.stdout)


def exchange(number: int, **changes: Any) -> Exchange:
    members = {
        "operation": "get",
        "method": "GET",
        "url": f"http://127.0.0.1:1/threads/{number}",
        "request_body": None,
        "request_headers": (),
        **changes,
    }
    return Exchange(
        check="",
        started_at="",
        elapsed_ms=1.0,
        **members,
    )


def test_only_the_last_of_many_commands_are_shown() -> None:
    lines = reproduction([exchange(number) for number in range(MOST_COMMANDS + 3)]).splitlines()
    assert lines[0] == "# 3 earlier requests: see exchanges.har"
    assert lines[1] == (
        r"curl -sS -X GET 'http://127.0.0.1:1/threads/3' -w '%{stderr} -> %{http_code}\n'"
    )
    assert len(lines) == MOST_COMMANDS + 1


def test_a_restart_stands_where_it_was(reference: str, settings_for: MakeSettings) -> None:
    with connect(settings_for(reference)) as connection, connection.recorder.check("c") as seen:
        for _ in range(2):
            connection.client.get(connection.client.ownership.absent_id())
        connection.recorder.note_restart()
        for _ in range(MOST_COMMANDS - 1):
            connection.client.get(connection.client.ownership.absent_id())
        lines = reproduction(seen).splitlines()
        assert lines[0] == "# 1 earlier requests: see exchanges.har"
        assert lines[2] == "# here the deployment was restarted"
        assert len(lines) == MOST_COMMANDS + 2
        connection.client.get(connection.client.ownership.absent_id())
        connection.client.get(connection.client.ownership.absent_id())
        assert reproduction(seen).startswith("# 3 earlier requests, and a restart: see")
        assert numbered_commands(seen).count("# here the deployment was restarted") == 1
    with connection.recorder.check("another") as seen:
        assert reproduction(seen) == ""


def test_a_command_too_long_to_paste_is_left_out() -> None:
    long = exchange(1, request_body="x" * LONGEST_COMMAND)
    assert reproduction([long]) == (
        "# GET http://127.0.0.1:1/threads/1: too long to show, see exchanges.har"
    )


def test_without_requests_there_is_nothing_to_reproduce() -> None:
    assert reproduction([]) == ""
