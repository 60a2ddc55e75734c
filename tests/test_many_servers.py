"""Many servers are checked side by side, under one budget of cores."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import psutil
import pytest

from conformance.many_servers.plan import Plan, PlanError, PlannedRun, read_plan
from conformance.many_servers.runs import EndedRun, SideBySide
from tests.conftest import command
from tests.launching import assert_gone, write_launcher

# ---- the file ----------------------------------------------------------------------------


def written(folder: Path, text: str) -> Path:
    file = folder / "servers.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_file_of_servers_is_read(tmp_path: Path) -> None:
    plan = read_plan(
        written(
            tmp_path,
            """
            profile = "extended"
            cores = 3
            options = ["--effort", "quick"]

            [[server]]
            server = "langgraph-api==0.16.7"

            [[server]]
            name = "ours"
            url = "http://127.0.0.1:2024"
            cores = 2
            options = ["--disposable"]
            """,
        )
    )
    assert plan == Plan(
        "extended",
        3,
        (
            PlannedRun(
                "langgraph-api-0.16.7", "langgraph-api==0.16.7", None, 1, ("--effort", "quick")
            ),
            PlannedRun(
                "ours", None, "http://127.0.0.1:2024", 2, ("--effort", "quick", "--disposable")
            ),
        ),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("server = []", "server is empty"),
        ("profile = 'full'", "server is missing"),
        ("[[server]]\nname = 'a'", "needs either server"),
        ("[[server]]\nserver = 'a==1'\nurl = 'http://a'", "needs either server"),
        ("[[server]]\nurl = 'http://a'", r"server\[0\].name is missing"),
        ("[[server]]\nname = '../a'\nurl = 'http://a'", "must be made of letters"),
        ("[[server]]\nserver = 'a==1'\n[[server]]\nserver = 'a==1'", "'a-1' is given twice"),
        ("[[server]]\nserver = 'a==1'\ncores = 0", r"server\[0\].cores must be at least 1"),
        ("cores = 0\n[[server]]\nserver = 'a==1'", "cores must be at least 1"),
        ("[[server]]\nserver = 'a==1'\nport = 1", r"server\[0\].port is not known here"),
        ("[[server]]\nserver = 'a==1'\noptions = ['--url=x']", "has --url=x, which the keys"),
        ("profile = 'all'\n[[server]]\nserver = 'a==1'", "profile must be one of documented, "),
        ("[[server]", "is not TOML"),
    ],
)
def test_what_cannot_be_used_is_told_with_its_key(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PlanError, match=said) as refused:
        read_plan(written(tmp_path, text))
    assert "servers.toml" in str(refused.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="cannot be read"):
        read_plan(tmp_path / "none.toml")


# ---- the runs ----------------------------------------------------------------------------

#: A run that notes when it is interrupted; else it writes its report and ends with a status.
_RUN = """\
import pathlib, signal, sys, time

folder, status, waits = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "waits"

def interrupted(*_):
    (folder / "interrupted").touch()
    sys.exit(3)

signal.signal(signal.SIGINT, interrupted)
(folder / "begun").touch()
while waits:
    time.sleep(0.01)
if status != 2:
    (folder / "report.json").write_text("{}")
print("said")
sys.exit(status)
"""


class FakeRuns(SideBySide):
    """Processes that do what the options of their run say."""

    def _command(self, run: PlannedRun, directory: Path) -> list[str]:
        return [sys.executable, "-c", _RUN, str(directory), *run.options]


def planned(name: str, cores: int = 1, status: int = 0, waits: str = "ends") -> PlannedRun:
    return PlannedRun(name, f"{name}==1", None, cores, (str(status), waits))


def test_as_many_run_at_once_as_the_cores_allow(tmp_path: Path) -> None:
    runs = (planned("a"), planned("b", 2), planned("c"), planned("d", 5), planned("e"))
    cores = {each.name: each.cores for each in runs}
    taken: list[int] = []
    under_way: set[str] = set()

    def begun(run: PlannedRun, number: int) -> None:
        under_way.add(run.name)
        assert number == len(under_way)
        taken.append(sum(cores[each] for each in under_way))

    def ended(run: EndedRun) -> None:
        under_way.remove(run.run.name)

    with FakeRuns(Plan("full", 2, runs), tmp_path) as side_by_side:
        results = side_by_side.run_all(begun, ended)
    assert [each.run for each in results] == list(runs)
    # One alone may take more than there are; else the budget holds, and is used.
    assert sorted(taken)[-1] == 5
    assert all(each <= 2 for each in taken if each != 5)
    assert 2 in taken


def test_what_each_left_is_told(tmp_path: Path) -> None:
    runs = (planned("right"), planned("broken", status=1), planned("wrong", status=2))
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong" / "report.json").write_text("of an earlier run")
    with FakeRuns(Plan("full", 2, runs), tmp_path) as side_by_side:
        right, broken, wrong = side_by_side.run_all(lambda *_: None, lambda _: None)
    assert [each.status for each in (right, broken, wrong)] == [0, 1, 2]
    assert right.report == tmp_path / "right" / "report.json"
    assert json.loads(right.report.read_text()) == {}
    assert broken.report is not None
    assert wrong.report is None
    assert wrong.output.read_text().strip() == "said"


def test_an_interruption_lets_those_under_way_remove_what_they_made(tmp_path: Path) -> None:
    runs = (planned("a", waits="waits"), planned("b", waits="waits"), planned("c"))
    children: list[psutil.Process] = []

    def begun(_run: PlannedRun, number: int) -> None:
        if number == 2:
            children.extend(psutil.Process().children())
            raise KeyboardInterrupt

    with (
        pytest.raises(KeyboardInterrupt),
        FakeRuns(Plan("full", 2, runs), tmp_path) as side_by_side,
    ):
        side_by_side.run_all(begun, lambda _: None)
    assert len(children) == 2
    assert_gone(children)
    assert not (tmp_path / "c").exists()


# ---- the command -------------------------------------------------------------------------


@pytest.mark.slow
def test_the_board_is_made_of_the_runs_of_a_file(tmp_path: Path) -> None:
    words = ["{python}", "-P", "-m", "conformance", "serve", "--port", "{port}"]
    write_launcher(tmp_path, command=repr(words))
    written(
        tmp_path,
        """
        profile = "documented"
        cores = 2
        options = ["--launcher", "fake.toml", "--requirement", "CREATE-0*"]

        [[server]]
        server = "fake==1.0"

        [[server]]
        server = "fake==2.0"

        [[server]]
        name = "nobody"
        url = "http://127.0.0.1:1"
        """,
    )
    ended = command(
        tmp_path, "board", "--run", "servers.toml", "--output-dir", "site/board",
        XDG_CACHE_HOME=str(tmp_path / "cache"),
    )  # fmt: skip
    assert ended.returncode == 3, ended.stdout + ended.stderr
    assert "fake-1.0: conformant" in ended.stderr
    assert "nobody: incomplete" in ended.stderr
    assert "no report" in ended.stderr
    assert (tmp_path / "site" / "fake-2.0" / "report.json").is_file()
    board = (tmp_path / "site" / "board" / "board.md").read_text()
    assert "fake 1.0" in board
    assert "fake 2.0" in board
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_a_board_of_nothing_is_wrong_usage(tmp_path: Path) -> None:
    ended = command(tmp_path, "board")
    assert ended.returncode == 2
    assert "--run" in ended.stderr
    ended = command(tmp_path, "board", "--run", "none.toml")
    assert ended.returncode == 2
    assert "cannot be read" in ended.stderr
