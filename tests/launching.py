"""A launcher of our own reference, so that no test needs a package index."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

from tests.conftest import CHECKOUT

#: The deadline of waits, in seconds: only a test that fails waits for so long.
_SOON_S = 60
#: Versions from `changed` on break this one requirement; versions in `broken` never start.
REQUIREMENT, FAULT = "GET-01", "get-leaves-out-updated-at"
_SERVE = """\
import sys
from pathlib import Path

from packaging.version import Version

from conformance.commands.serve import serve_command

version, port, marks, changed, *broken = sys.argv[1:]
with Path(marks).open("a") as file:
    file.write(version + "\\n")
if version in broken:
    sys.exit("version " + version + " has a bad day")
fault = ["--fault", "FAULT"] if Version(version) >= Version(changed) else []
serve_command(["--port", port, *fault])
""".replace("FAULT", FAULT)


def write_launcher(
    folder: Path,
    *,
    name: str = "fake",
    known: tuple[str, ...] = ("1.0",),
    changed: str = "99",
    broken: tuple[str, ...] = (),
    more: str = "",
    command: str | None = None,
) -> Path:
    """Write a launcher file into `folder`; each start adds its version to `starts.txt` there."""
    project = folder / "graphs"
    project.mkdir(parents=True, exist_ok=True)
    (project / "start.py").write_text(_SERVE, encoding="utf-8")
    words = ["{python}", "-P", "start.py", "{version}", "{port}"]
    command = command or repr([*words, str(folder / "starts.txt"), changed, *broken])
    file = folder / f"{name}.toml"
    file.write_text(
        f"""
name = "{name}"
project = "graphs"
command = {command}
known = {list(known)!r}
env = {{ PYTHONPATH = '{CHECKOUT}' }}
{more}
""",
        encoding="utf-8",
    )
    return file


def starts(folder: Path) -> list[str]:
    """Return the versions that were started, in order."""
    file = folder / "starts.txt"
    return file.read_text().split() if file.exists() else []


def write_wheel(folder: Path, name: str = "fake_server", version: str = "1.0") -> Path:
    """Write and return a wheel with one program, which prints where its Python is."""
    program = f"import sys\n\ndef main():\n    print('{name} {version}', sys.prefix)\n"
    info = f"{name}-{version}.dist-info"
    members = {
        f"{name}.py": program,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
    }
    record = "".join(f"{member},,\n" for member in (*members, f"{info}/RECORD"))
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for member, text in {**members, f"{info}/RECORD": record}.items():
            archive.writestr(member, text)
    return wheel


def wait_until(condition: Callable[[], bool]) -> None:
    """Poll `condition` until it is true; AssertionError at the deadline."""
    deadline = time.monotonic() + _SOON_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def assert_gone(processes: Iterable[psutil.Process]) -> None:
    """Assert that none of the processes runs any more, at the latest at the deadline."""
    _, alive = psutil.wait_procs(list(processes), timeout=_SOON_S)
    assert [each for each in alive if each.status() != psutil.STATUS_ZOMBIE] == []
