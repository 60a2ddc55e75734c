"""The user's cache of installed servers: each is installed once and used by many runs."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout
from packaging.version import Version

from conformance import user_dirs
from conformance.deployment.launch.errors import LauncherError, NotStartedError
from conformance.deployment.launch.installers import Recipe, commands, recipe
from conformance.deployment.launch.launcher import Launcher
from conformance.deployment.launch.process import ProcessTree, clean_environment

Notify = Callable[[str], None]

_FINISHED = "environment.json"
_INSTALL_LOG = "install.log"
#: The lock of the process that installs an environment, and the folder of its users' locks.
_MAKING, _USES = "making.lock", "uses"


def cache_dir() -> Path:
    """Return `$XDG_CACHE_HOME/threads-conformance/servers`, by default below `~/.cache`."""
    return user_dirs.cache_dir("servers")


@dataclass(frozen=True)
class Cached:
    """One environment of the cache; its size is in bytes."""

    folder: Path
    name: str
    version: str
    size: int


@contextmanager
def environment(launcher: Launcher, version: Version, notify: Notify) -> Iterator[Path]:
    """Yield the folder of the server's environment; it cannot be cleared during the block.

    Raises `NotStartedError` with the installer's last lines if it cannot be installed.
    """
    wanted = recipe(launcher, version)
    with environment_of(launcher.name, str(version), wanted, notify) as folder:
        yield folder


@contextmanager
def environment_of(name: str, version: str, wanted: Recipe, notify: Notify) -> Iterator[Path]:
    """Yield the folder of the environment of any recipe; install it if it is not there yet."""
    text = wanted.text()
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    folder = cache_dir() / name / f"{version}-{digest}"
    try:
        locks = _locks(folder)
        (locks / _USES).mkdir(parents=True, exist_ok=True)
    except OSError as broken:
        raise LauncherError(
            f"cannot write to {cache_dir()} ({broken.strerror}): set XDG_CACHE_HOME to a folder "
            "that can be written to"
        ) from broken
    with ExitStack() as stack:
        with _one_installation(locks, f"{name} {version}", notify):
            if not (folder / _FINISHED).is_file():
                notify(f"installing {name} {version} into {folder}")
                _create(folder, name, version, wanted)
            use = locks / _USES / f"{uuid4()}.lock"
            stack.callback(use.unlink, missing_ok=True)
            stack.enter_context(FileLock(use))
        yield folder


def cached() -> list[Cached]:
    """Return all finished environments."""
    found = []
    for file in sorted(cache_dir().glob(f"*/*/{_FINISHED}")):
        described = json.loads(file.read_text(encoding="utf-8"))
        folder = file.parent
        found.append(Cached(folder, described["name"], described["version"], _size(folder)))
    return found


def clear(each: Cached) -> bool:
    """Remove an environment; return False, without any change, if a run uses it."""
    locks = _locks(each.folder)
    (locks / _USES).mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(locks / _MAKING, timeout=0):
            for use in (locks / _USES).iterdir():
                # The lock of a killed run is free.
                with FileLock(use, timeout=0):
                    use.unlink(missing_ok=True)
            # Removed first, so that after an interrupted removal it counts as unfinished.
            (each.folder / _FINISHED).unlink(missing_ok=True)
            shutil.rmtree(each.folder)
    except Timeout:
        return False
    return True


def _locks(folder: Path) -> Path:
    # Outside the environment: a lock file that is removed while a process waits locks nothing.
    return cache_dir() / ".locks" / folder.parent.name / folder.name


@contextmanager
def _one_installation(locks: Path, what: str, notify: Notify) -> Iterator[None]:
    lock = FileLock(locks / _MAKING)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        notify(f"waiting for another run that installs {what}")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _create(folder: Path, name: str, version: str, wanted: Recipe) -> None:
    # Programs of a virtual environment contain their own path, so it cannot be made elsewhere
    # and renamed: it counts only once its description exists, which is written last.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        for command in commands(wanted, folder):
            _install(command, folder, f"{name} {version}", wanted)
        described = {"name": name, "version": version, "recipe": json.loads(wanted.text())}
        unfinished = folder / f"{_FINISHED}.part"
        unfinished.write_text(json.dumps(described), encoding="utf-8")
        unfinished.rename(folder / _FINISHED)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _install(command: list[str], folder: Path, what: str, wanted: Recipe) -> None:
    with ProcessTree(
        command, cwd=folder, env=clean_environment(), output=folder / _INSTALL_LOG
    ) as tree:
        if tree.wait():
            raise NotStartedError(
                f"{what} could not be installed: correct the cause in the last lines of "
                f"{Path(command[0]).name}:\n"
                f"{tree.last_lines()}{_dated(wanted)}"
            )


def _dated(wanted: Recipe) -> str:
    """Return what to do where only releases before a day were allowed, and one is younger."""
    if wanted.before is None or wanted.locked is not None:
        return ""
    return (
        f"\nBy the ranges of its launcher only releases before {wanted.before} were allowed: if "
        "this version is younger, take one that `threads-conformance servers` lists, or add a "
        "range for it to a launcher of your own"
    )


def _size(folder: Path) -> int:
    return sum(file.lstat().st_size for file in folder.rglob("*") if not file.is_dir())
