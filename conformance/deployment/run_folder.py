"""The folder of one run, in which its processes record exchanges.

The folder is next to the ledgers, not in the system's folder for temporary files, so that the
next run finds and removes what a killed run left behind.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from conformance.deployment.ownership.ledger import make_folder, remove_settled_ledgers
from conformance.deployment.settings import SettingsError
from conformance.user_dirs import state_dir

_LOCK = ".alive"


def runs_dir() -> Path:
    """Return `$XDG_STATE_HOME/threads-conformance/runs`, by default below `~/.local/state`."""
    return state_dir("runs")


@contextmanager
def run_folder() -> Iterator[Path]:
    """Create a folder that only its user can read, and remove it at the end.

    Folders of killed runs are removed first, and so are ledgers of runs that left nothing.
    Raises `SettingsError` if the folder cannot be created.
    """
    make_folder(runs_dir())
    try:
        remove_stale_folders()
        remove_settled_ledgers()
        # So that a concurrent clean-up does not remove the folder before it is locked.
        with FileLock(runs_dir() / _LOCK):
            directory = Path(tempfile.mkdtemp(dir=runs_dir()))
            alive = FileLock(directory / _LOCK)
            alive.acquire()
    except PermissionError as refused:
        # Of another user's, as where two users of a container have one folder.
        raise SettingsError(
            f"cannot write to {runs_dir()} ({refused.strerror}): set XDG_STATE_HOME to a folder of "
            "your own"
        ) from refused
    try:
        yield directory
    finally:
        alive.release()
        shutil.rmtree(directory, ignore_errors=True)


def remove_stale_folders() -> None:
    """Remove the folders of runs that are not alive any more."""
    if not runs_dir().is_dir():
        return
    with FileLock(runs_dir() / _LOCK):
        for directory in runs_dir().iterdir():
            if directory.is_dir() and _is_dead(directory):
                shutil.rmtree(directory, ignore_errors=True)


def _is_dead(directory: Path) -> bool:
    try:
        with FileLock(directory / _LOCK, timeout=0):
            return True
    except Timeout:
        return False
