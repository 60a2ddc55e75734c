"""Whatever happens, nothing that a launcher started is left."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from conformance.deployment.launch.process import ProcessTree
from tests.conftest import environment_of
from tests.launching import assert_gone, wait_for

# A family: the command, a child, and a grandchild that was left in a session of its own.
_FAMILY = """\
import json, os, subprocess, sys, time
from pathlib import Path

sleep = [sys.executable, "-c", "import time; time.sleep(1000)"]
left = (
    "import subprocess, sys; quiet = subprocess.DEVNULL; "
    "print(subprocess.Popen({!r}, stdout=quiet, start_new_session=True).pid)"
)
grandchild = subprocess.run(
    [sys.executable, "-c", left.format(sleep)], stdout=subprocess.PIPE, text=True
)
child = subprocess.Popen(sleep)
pids = [os.getpid(), child.pid, int(grandchild.stdout)]
Path("pids.part").write_text(json.dumps(pids))
Path("pids.part").rename("pids.json")
time.sleep(1000)
"""

_HOLDER = """\
import os, sys, time
from pathlib import Path
from conformance.deployment.launch.process import ProcessTree

folder = Path(sys.argv[1])
command = [sys.executable, str(folder / "family.py")]
tree = ProcessTree(command, cwd=folder, env=dict(os.environ), output=folder / "out")
tree.__enter__()
print(tree._supervisor.pid, flush=True)
time.sleep(1000)
"""


def family(folder: Path) -> ProcessTree:
    (folder / "family.py").write_text(_FAMILY)
    return ProcessTree(
        [sys.executable, str(folder / "family.py")],
        cwd=folder,
        env=environment_of(),
        output=folder / "out",
    )


def members(folder: Path) -> list[psutil.Process]:
    """The processes of the family, once all are there."""
    file = folder / "pids.json"
    wait_for(file.exists)
    return [psutil.Process(pid) for pid in json.loads(file.read_text())]


def test_the_whole_tree_ends_with_the_block(tmp_path: Path) -> None:
    with family(tmp_path):
        started = members(tmp_path)
        assert all(each.is_running() for each in started)
    assert_gone(started)


def test_it_ends_where_the_block_is_left_by_an_error(tmp_path: Path) -> None:
    started = []

    def crash() -> None:
        with family(tmp_path):
            started.extend(members(tmp_path))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        crash()
    assert_gone(started)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_ends_where_its_holder_is_killed(number: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "family.py").write_text(_FAMILY)
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(tmp_path)],
        env=environment_of(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as holder:
        started = members(tmp_path)
        holder.send_signal(number)
    assert_gone(started)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_the_command_ends_where_even_its_supervisor_is_killed(tmp_path: Path) -> None:
    (tmp_path / "family.py").write_text(_FAMILY)
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(tmp_path)],
        env=environment_of(),
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        supervisor = psutil.Process(int(holder.stdout.readline()))
        command, *others = members(tmp_path)
        try:
            supervisor.kill()
            assert_gone([command])
        finally:
            holder.kill()
            for each in (command, *others):
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.kill()
    assert_gone(others)


def test_a_command_that_asks_to_be_killed_is(tmp_path: Path) -> None:
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print('deaf', flush=True); time.sleep(1000)"
    )
    tree = ProcessTree(
        [sys.executable, "-c", deaf],
        cwd=tmp_path,
        env=environment_of(),
        output=tmp_path / "out",
        grace_s=0.1,
    )
    with tree:
        wait_for(lambda: "deaf" in tree.output_text())
        assert tree.status() is None
    assert tree.status() == 128 + signal.SIGKILL


def test_how_a_command_ended_and_what_it_said_last(tmp_path: Path) -> None:
    script = "print('first'); print(); print('\\x1b[31mlast\\x1b[0m'); raise SystemExit(7)"
    tree = ProcessTree(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment_of(), output=tmp_path / "out"
    )
    with tree:
        assert tree.wait() == 7
        assert tree.last_lines(1) == "  last"
        assert tree.last_lines() == "  first\n  last"


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    tree = ProcessTree(["no-such-program"], cwd=tmp_path, env={}, output=tmp_path / "out")
    with tree:
        assert tree.wait() == 127
    assert tree.last_lines() == "  no-such-program: No such file or directory"


def test_what_is_to_go_goes_with_it(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    tree = ProcessTree(
        [sys.executable, "-c", "import time; time.sleep(1000)"],
        cwd=place,
        env=environment_of(),
        output=place / "out",
        remove=[place],
    )
    with tree:
        assert place.is_dir()
    assert not place.exists()
