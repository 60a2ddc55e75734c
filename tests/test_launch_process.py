"""Whatever happens, no process that a launcher started is left."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from conformance.deployment.launch.process import ProcessTree
from tests.conftest import environment_of
from tests.launching import assert_gone, wait_until

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


def python(folder: Path, *arguments: str, **options: Any) -> ProcessTree:
    """Python in that folder, whose output is in the file `out` there."""
    return ProcessTree(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment_of(),
        output=folder / "out",
        **options,
    )


def family(folder: Path) -> ProcessTree:
    (folder / "family.py").write_text(_FAMILY)
    return python(folder, str(folder / "family.py"))


def members(folder: Path) -> list[psutil.Process]:
    """The processes of the family, once all are there."""
    file = folder / "pids.json"
    wait_until(file.exists)
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_command_that_asks_to_be_killed_is(tmp_path: Path) -> None:
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print('deaf', flush=True); time.sleep(1000)"
    )
    tree = python(tmp_path, "-c", deaf, grace_s=0.1)
    with tree:
        wait_until(lambda: "deaf" in tree.output_text())
        assert tree.status() is None
    assert tree.status() == 128 + signal.SIGKILL


def test_how_a_command_ended_and_what_it_said_last(tmp_path: Path) -> None:
    script = "print('first'); print(); print('\\x1b[31mlast\\x1b[0m'); raise SystemExit(7)"
    tree = python(tmp_path, "-c", script)
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
    tree = python(place, "-c", "import time; time.sleep(1000)", remove=[place])
    with tree:
        assert place.is_dir()
    assert not place.exists()


@pytest.mark.parametrize("kill", [False, True])
def test_a_restart_ends_the_tree_and_keeps_what_is_to_go_in_the_end(
    kill: bool, tmp_path: Path
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    script = (
        "import os, pathlib, signal, time; "
        "signal.signal(signal.SIGTERM, lambda *_: (print('stopped', flush=True), os._exit(0))); "
        "print('begun', flush=True); time.sleep(1000)"
    )
    tree = python(place, "-c", script, remove=[place])
    with tree:
        wait_until(lambda: "begun" in tree.output_text())
        assert tree._supervisor is not None
        started = psutil.Process(tree._supervisor.pid).children(recursive=True)
        (place / "kept").touch()
        tree.restart(kill=kill)
        assert_gone(started)
        assert ("stopped" in tree.output_text()) is not kill
        assert (place / "kept").exists()
        wait_until(lambda: "begun" in tree.output_text()[tree.output_length :])
        assert tree.status() is None
    assert not place.exists()


def test_a_command_that_has_ended_can_be_restarted(tmp_path: Path) -> None:
    script = "import pathlib; pathlib.Path('been').open('a').write('.'); raise SystemExit(3)"
    tree = python(tmp_path, "-c", script)
    with tree:
        assert tree.wait() == 3
        tree.restart(kill=True)
        assert tree.wait() == 3
    assert (tmp_path / "been").read_text() == ".."


def test_a_restart_that_is_interrupted_before_the_new_start_leaves_what_was_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with python(tmp_path, "-c", "import time; time.sleep(1000)") as tree:
        with monkeypatch.context() as patched:
            patched.setattr(subprocess, "Popen", _interrupted)
            with pytest.raises(KeyboardInterrupt):
                tree.restart(kill=True)
        assert tree.status() is not None
        assert tree.was_ended
        tree.restart(kill=True)
        assert not tree.was_ended


def _interrupted(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_tree_that_was_ended_can_be_ended_again(tmp_path: Path) -> None:
    with family(tmp_path) as tree:
        started = members(tmp_path)
        tree.stop()
        assert_gone(started)
        tree.stop()
