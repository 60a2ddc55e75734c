"""What `run` prints and where it writes: one URL, two formats, selections, the next commands."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.faults.registry import all_faults, faulty_deployment
from conformance.report.record import load_report
from tests.conftest import arguments_of, command, environment_of, served

pytestmark = pytest.mark.slow

FORGETFUL = "copy-forgets-the-oldest-state"
BROKEN = ("--requirement", "COPY-03,COPY-04", "--effort", "quick")


@pytest.fixture
def forgetful() -> Iterator[str]:
    """Yield the URL of a server whose copies lack the oldest state."""
    broken, wire = faulty_deployment(all_faults()[FORGETFUL])
    with served(broken.store, lambda _: wire) as url:
        yield url


def test_the_url_is_the_argument_or_the_option(reference: str, tmp_path: Path) -> None:
    asked = ("--requirement", "CREATE-01", "--effort", "quick")
    for address in ((reference,), ("--url", reference), (reference, "--url", reference)):
        ended = command(tmp_path, "run", *address, *asked)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert f"Deployment {reference} " in ended.stdout
    ended = command(
        tmp_path, "run", reference, *asked, THREADS_CONFORMANCE_URL="http://127.0.0.1:1"
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("http://127.0.0.1:1", "--url", "http://127.0.0.1:2"), "two URLs are given"),
        (("http://127.0.0.1:1", "--server", "langgraph-api==0.16.7"), "exclude each other"),
        (("COPY-03",), "write it like http://127.0.0.1:2024"),
    ],
)
def test_what_is_no_one_url_is_told(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    ended = command(tmp_path, "run", *arguments)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert ended.stdout == ""


def test_json_is_all_that_is_on_standard_output(reference: str, tmp_path: Path) -> None:
    asked = ("run", reference, "--requirement", "CREATE-01", "--format", "json")
    ended = command(tmp_path, *asked, "--baseline", str(empty_baseline(tmp_path)))
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == json.loads(
        (tmp_path / "reports" / "selection" / "report.json").read_text()
    )
    assert "CONFORMANT" in ended.stderr
    assert "Baseline: " in ended.stderr


def empty_baseline(folder: Path) -> Path:
    file = folder / "baseline.toml"
    file.write_text('format = "threads-conformance-baseline/1"\n')
    return file


def test_json_goes_through_a_pipe(reference: str, tmp_path: Path) -> None:
    asked = shlex.join(arguments_of("run", reference, "-k", "test_the_id_is_a_uuid"))
    ended = subprocess.run(
        ["bash", "-c", f"{asked} --format json | jq -r .verdict"],
        cwd=tmp_path,
        env=environment_of(),
        capture_output=True,
        text=True,
    )
    assert ended.stdout == "conformant\n"


def test_without_a_deployment_json_is_empty_and_the_status_tells(tmp_path: Path) -> None:
    ended = command(tmp_path, "run", "http://127.0.0.1:1", "--format", "json")
    assert (ended.returncode, ended.stdout) == (3, "")
    assert "cannot connect" in ended.stderr


@pytest.mark.parametrize(
    "selection",
    [
        ("--requirement", "CREATE-01"),
        ("-k", "test_the_id_is_a_uuid"),
        ("--capability", "get"),
        ("--shard", "1/60"),
    ],
)
def test_a_selection_leaves_the_whole_report_as_it_is(
    selection: tuple[str, ...], reference: str, tmp_path: Path
) -> None:
    whole = tmp_path / "reports" / "latest"
    whole.mkdir(parents=True)
    (whole / "report.json").write_text("of a whole run")
    ended = command(tmp_path, "run", reference, *selection, "--effort", "quick")
    assert ended.returncode in (0, 3), ended.stdout + ended.stderr
    assert (whole / "report.json").read_text() == "of a whole run"
    assert "Report: reports/selection/report.html (of a selection;" in ended.stdout
    assert load_report(tmp_path / "reports" / "selection").run.partial


def test_a_folder_that_is_named_takes_a_selection_too(reference: str, tmp_path: Path) -> None:
    asked = ("run", reference, "--requirement", "CREATE-01", "--effort", "quick")
    named = command(tmp_path, *asked, "--report-dir", "reports/latest")
    assert "Report: reports/latest/report.html\n" in named.stdout
    command(tmp_path, *asked, THREADS_CONFORMANCE_REPORT_DIR="there")
    assert {each.name for each in tmp_path.iterdir()} - {"state"} == {"reports", "there"}
    assert {each.name for each in (tmp_path / "reports").iterdir()} == {"latest"}


def test_a_broken_server_is_told_on_one_screen(forgetful: str, tmp_path: Path) -> None:
    ended = command(tmp_path, "run", forgetful, *BROKEN, "--api-key", "swordfish")
    assert ended.returncode == 1, ended.stdout + ended.stderr
    lines = ended.stdout.splitlines()
    assert len(lines) <= 40
    assert "✗ COPY-03 MUST   A copy has the whole history" in lines
    assert "curl" not in ended.stdout
    assert lines[-4] == "Next:"
    assert lines[-3:] == [
        "  threads-conformance explain COPY-03",
        f'  threads-conformance explain COPY-03 --replay --url {forgetful} --api-key "$TOKEN"',
        f'  threads-conformance run {forgetful} --api-key "$TOKEN" --effort quick'
        " --requirement COPY-03",
    ]
    told = command(tmp_path, *shlex.split(lines[-3])[1:])
    assert told.returncode == 0
    assert "COPY-03 (MUST)" in told.stdout
    assert "Of reports/selection/report.json:" in told.stderr
    verbose = command(tmp_path, "run", forgetful, *BROKEN, "-v")
    assert "  promise     COPY-03 (MUST)" in verbose.stdout
    assert "curl -sS" in verbose.stdout
