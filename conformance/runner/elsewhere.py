"""Workers on other machines, whose files come back to the process that the user started.

The worker of another machine keeps its exchanges and its ledger there, since it does not see the
folder of the run. When it ends it hands both over; what a worker that dies has created stays in the
ledger of its machine, where `sweep` finds it.
"""

from __future__ import annotations

import dataclasses
import shlex
import subprocess
import sys
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType

import execnet
from execnet.gateway_base import RemoteError

from conformance import __version__
from conformance.deployment.ownership.ledger import ledgers_dir, make_folder
from conformance.deployment.run_folder import run_folder
from conformance.deployment.settings import Settings
from conformance.runner import start_elsewhere
from conformance.runner.pytest_names import OWN_PYTEST
from conformance.safe_text import excerpt

#: As for the workers of this machine, which inherit it: plugins of the user's pytest stay away.
_ENVIRONMENT = "".join(f"//env:{name}={value}" for name, value in OWN_PYTEST.items())
_TELLS_VERSION = (
    "import pathlib, conformance.runner; channel.send((conformance.__version__, "
    "str(pathlib.Path(conformance.runner.__file__).parent)))"
)
#: Seconds that a worker may take to start.
_START_S = 60.0
#: The text of each file by its name.
Texts = dict[str, str]


class WorkerCommandError(ValueError):
    """A command that starts a worker cannot be used; the message says what to write."""


def worker_specification(command: str) -> str:
    """Return the execnet specification of workers that `command` starts.

    `command` starts a Python, and may be preceded by a number of workers, as in `4*ssh build2
    /opt/venv/bin/python`. Raises `WorkerCommandError`.
    """
    number, rest = _number_and_command(command)
    if not int(number):
        raise WorkerCommandError(f"{command!r} starts no worker: give at least 1")
    try:
        words = shlex.split(rest)
    except ValueError as unclosed:
        raise WorkerCommandError(f"{command!r} is no command ({unclosed})") from unclosed
    if not words:
        raise WorkerCommandError(
            f"{command!r} names no command: write one that starts a Python, such as "
            "'ssh build2 /opt/venv/bin/python'"
        )
    if "//" in rest:
        # It ends a value in a specification of execnet.
        raise WorkerCommandError(f"{command!r} has //, which is not possible here: write one /")
    starter = shlex.join([sys.executable, "-P", start_elsewhere.__file__])
    return f"{number}*popen//python={starter} {rest.strip()}{_ENVIRONMENT}"


def check_worker(specification: str, command: str) -> None:
    """Start one worker of a specification, and end it.

    Raises `WorkerCommandError` if `command` starts no Python that has this version at this path.
    """
    _check_python(command)
    group = execnet.Group()
    try:
        gateway = group.makegateway(specification.partition("*")[2])
        told = gateway.remote_exec(_TELLS_VERSION).receive(_START_S)
    except (OSError, EOFError, RemoteError) as missing:
        raise WorkerCommandError(
            f"{command!r} starts a Python that has no threads-conformance: install {__version__} "
            "for it, and try it followed by -m conformance --version"
        ) from missing
    finally:
        group.terminate(timeout=5.0)
    ours = (__version__, str(Path(__file__).parent))
    for what, there, here in zip(("version", "path"), told, ours, strict=True):
        if there != here:
            raise WorkerCommandError(
                f"{command!r} starts a Python whose threads-conformance has the {what} "
                f"{excerpt(str(there), 200)}, and here it is {here}: install the same version at "
                "the same path"
            )


def _number_and_command(given: str) -> tuple[str, str]:
    """Return the number of workers, in digits, and the command that starts one."""
    number, star, rest = given.partition("*")
    return (number, rest) if star and number.isdecimal() else ("1", given)


def _check_python(command: str) -> None:
    """Raise `WorkerCommandError` unless the command starts a Python, which tells its version."""
    words = shlex.split(_number_and_command(command)[1])
    try:
        ended = subprocess.run(
            [*words, "-V"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_START_S,
            check=False,
        )
        said = f"{ended.stdout}{ended.stderr}".strip()
        if ended.returncode == 0 and said.startswith("Python "):
            return
    except (OSError, subprocess.TimeoutExpired) as broken:
        said = str(broken)
    raise WorkerCommandError(
        f"{command!r} starts no Python here ({excerpt(said, 200) or 'it says nothing'}): try it in "
        "a shell, followed by -V"
    )


def is_elsewhere(settings: Settings) -> bool:
    """Return whether this process does not see the folder of the run."""
    return not Path(settings.run_dir).is_dir()


class WorkerElsewhere:
    """A worker that does not see the folder of the run; a context manager around its connection.

    `settings` have a folder on this machine, which is removed at the end. The ledger of the worker
    is removed with it if it was handed over, else it stays for `sweep`.
    """

    def __init__(self, settings: Settings, worker: str) -> None:
        self.settings = settings
        self._worker = worker
        self._ledgers = ledgers_dir() / settings.run_id
        self._stack = ExitStack()

    def __enter__(self) -> WorkerElsewhere:
        directory = self._stack.enter_context(run_folder())
        self.settings = dataclasses.replace(self.settings, run_dir=str(directory))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def hand_over(self) -> dict[str, Texts]:
        """Return the text of each file by folder and name; the ledger is removed at the end."""
        self._stack.callback(self._remove_ledger)
        return {
            "exchanges": _texts(Path(self.settings.run_dir).glob("exchanges-*.jsonl")),
            # Other workers of this machine have their ledgers in the same folder.
            "ledger": _texts(self._ledgers.glob(f"{self._worker}.jsonl")),
        }

    def _remove_ledger(self) -> None:
        for file in self._ledgers.glob(f"{self._worker}.*"):
            file.unlink(missing_ok=True)
        with suppress(OSError):
            self._ledgers.rmdir()


def take_over(settings: Settings, files: dict[str, Texts], worker: str) -> None:
    """Write what a worker elsewhere handed over to the files of this process."""
    ledgers = ledgers_dir() / settings.run_id
    for directory, texts in (
        (Path(settings.run_dir), files.get("exchanges", {})),
        (ledgers, files.get("ledger", {})),
    ):
        for name, text in texts.items():
            make_folder(directory)
            # A name from elsewhere is no path.
            place = directory / f"{Path(name).stem}-of-{worker}.jsonl"
            place.write_text(text, encoding="utf-8")


def _texts(files: Iterable[Path]) -> Texts:
    return {file.name: file.read_text(encoding="utf-8", errors="replace") for file in files}
