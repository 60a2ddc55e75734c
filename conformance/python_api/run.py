"""`run`: check a deployment from a Python program, and return a typed report.

The checks are made in a process of their own, by the command `threads-conformance run`: a program
that calls `run` keeps its signal handlers, its environment, its logging, its standard streams, its
`sys.path` and its own pytest as they are, and may call it from any thread.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import site
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, Literal

import conformance
from conformance.deployment.settings import CONFIG_FILE, DEFAULT_SEED, ENVIRONMENT
from conformance.python_api.errors import NotReachedError, OptionsError, SuiteBrokeError
from conformance.report.record import Report, load_report

#: An application by the ASGI protocol, such as one of FastAPI or Starlette.
AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]

_ROOT = Path(conformance.__file__).resolve().parent.parent
#: How long an interrupted run may take to remove what it made, in seconds.
_CLEAN_UP_S = 60.0
#: The exit statuses of `threads-conformance run` that come with a report and its verdict.
_JUDGED = (0, 1, 3)
_USAGE, _INCOMPLETE = 2, 3


def run(
    deployment: str | AsgiApp | None = None,
    *,
    server: str | None = None,
    profile: Literal["documented", "extended", "full"] | None = None,
    requirements: Sequence[str] = (),
    capabilities: Sequence[str] = (),
    keyword: str = "",
    headers: Mapping[str, str] | None = None,
    graph: str | None = None,
    settings_file: str | os.PathLike[str] | None = None,
    client: Literal["http", "python-sdk", "js-sdk", "curl", "all"] = "http",
    workers: int | Literal["auto"] = 0,
    effort: Literal["quick", "standard", "thorough"] = "standard",
    seed: int = DEFAULT_SEED,
    disposable: bool = False,
    timeout_s: float = 30.0,
    run_timeout_s: float = 60.0,
    visible_within_s: float = 5.0,
    baseline: str | os.PathLike[str] | None = None,
    report_dir: str | os.PathLike[str] | None = None,
) -> Report:
    """Check a deployment of the Threads API, remove what the checks made, and return the report.

    `deployment` is a URL, or an ASGI app that is served on loopback meanwhile; without it the
    `server` (`NAME==VERSION` or `NAME@latest`) is installed and started, and without both the
    embedded reference. The other arguments are the options of `threads-conformance run`, times in
    seconds: `requirements` are ids or patterns such as `COPY-*`, `headers` are secret and go with
    every request, `settings_file` is one in the form of threads-conformance.toml (no other is
    read, nor any variable THREADS_CONFORMANCE_*), and `baseline` holds the deviations that are
    accepted. Without `profile` it is that of the requirements, else `documented`. Files
    (report.json, junit.xml, report.html and so on) are written only if `report_dir` says where.

    A report is returned whatever its `verdict`: `conformant`, `non_conformant` or `incomplete`.
    Raises `OptionsError` for arguments that cannot be used, `NotReachedError` where nothing could
    be judged, and `SuiteBrokeError`, with what is known as its `report`, for a defect of the suite.
    Ctrl-C raises `KeyboardInterrupt` once the run has removed what it made.
    """
    if not (deployment is None or isinstance(deployment, str) or callable(deployment)):
        raise OptionsError(
            f"a deployment is a URL or an ASGI app, and this is a {type(deployment).__name__}"
        )
    options: dict[str, object] = {
        "server": server,
        "profile": profile,
        "requirement": requirements,
        "capability": capabilities,
        "graph": graph,
        "client": client,
        "workers": workers,
        "effort": effort,
        "seed": seed,
        "disposable": disposable,
        "timeout": timeout_s,
        "run-timeout": run_timeout_s,
        "visible-within": visible_within_s,
        "baseline": baseline and Path(baseline).absolute(),
    }
    with TemporaryDirectory(prefix="threads-conformance-") as made, _url_of(deployment) as url:
        folder = Path(made)
        arguments = [f"-k{keyword}"] if keyword else []
        arguments += _arguments({**options, "url": url, "report-dir": folder / "report"})
        if settings_file is not None:
            _copy_settings(Path(settings_file), folder / CONFIG_FILE)
        if headers:
            # In a folder that only this user can read: secrets do not belong on a command line.
            lines = "".join(_header_line(*each) for each in headers.items())
            (folder / "headers").write_text(lines, encoding="utf-8")
            arguments += ["--header-file", str(folder / "headers")]
        status, output = _run_child(arguments, folder)
        report = _report_of(folder / "report")
        if report_dir is not None and report is not None:
            shutil.copytree(folder / "report", report_dir, dirs_exist_ok=True)
    if report is not None and status in _JUDGED:
        return report
    message = _error_in(output)
    if status == _USAGE:
        raise OptionsError(message, report)
    if status == _INCOMPLETE:
        raise NotReachedError(message, report)
    raise SuiteBrokeError(message or f"the run ended with status {status}", report)


def _url_of(deployment: str | AsgiApp | None) -> AbstractContextManager[str | None]:
    """Return the URL of a deployment for as long as a block lasts; an app is served meanwhile."""
    if deployment is None or isinstance(deployment, str):
        return nullcontext(deployment)
    return _served(deployment)


@contextmanager
def _served(app: AsgiApp) -> Iterator[str]:
    # A web server is imported only where one is needed.
    from conformance.deployment.launch.asgi import serving
    from conformance.deployment.launch.errors import NotStartedError

    with contextlib.ExitStack() as stack:
        try:
            url = stack.enter_context(serving(app))
        except NotStartedError as failed:
            raise NotReachedError(str(failed)) from failed
        yield url


def _arguments(options: Mapping[str, object]) -> list[str]:
    """Return the options as arguments of a command line; those without a value are left out."""
    found: list[str] = []
    for name, value in options.items():
        if value is True:
            found.append(f"--{name}")
        elif isinstance(value, str | Path | int | float) and value is not False:
            found.append(f"--{name}={value}")
        elif isinstance(value, Sequence):
            found += (f"--{name}={each}" for each in value)
    return found


def _copy_settings(file: Path, target: Path) -> None:
    try:
        shutil.copyfile(file, target)
    except OSError as unreadable:
        raise OptionsError(f"cannot read {file} ({unreadable.strerror})") from unreadable


def _header_line(name: str, value: str) -> str:
    line = f"{name}: {value}"
    if len(line.splitlines()) != 1 or line.startswith("#"):
        # The value is a secret, and the name may be one that was put into the wrong place.
        raise OptionsError("a header has a name and a value, each on one line")
    return f"{line}\n"


def _run_child(arguments: Sequence[str], folder: Path) -> tuple[int, str]:
    """Run the command in a process of its own; return its exit status and what it printed."""
    with (folder / "output").open("w+b") as output:
        # In a session of its own: Ctrl-C is told by the end of its input, once.
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "conformance.python_api.child", "run", *arguments],
            cwd=folder,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert child.stdin is not None
        try:
            status = child.wait()
        except BaseException:
            _end(child, child.stdin)
            raise
        child.stdin.close()
        output.seek(0)
        return status, output.read().decode("utf-8", "replace")


def _end(child: subprocess.Popen[bytes], stdin: IO[bytes]) -> None:
    """End a run early: it removes what it made, and is killed if that takes too long."""
    stdin.close()
    try:
        child.wait(_CLEAN_UP_S)
    finally:
        child.kill()
        child.wait()


def _environment() -> dict[str, str]:
    """Return the environment of the process: this suite is found, and no setting is."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(f"{ENVIRONMENT}_")
    }
    places = [each for each in kept.pop("PYTHONPATH", "").split(os.pathsep) if each]
    # Another package of this name would be taken for this one.
    places = [each for each in places if Path(each).resolve() == _ROOT or not _hides(Path(each))]
    if _ROOT not in (Path(each).resolve() for each in (*_installed_in(), *places)):
        places.append(str(_ROOT))
    return {**kept, "PYTHONPATH": os.pathsep.join(places), "PYTHONUNBUFFERED": "1"}


def _hides(place: Path) -> bool:
    """Return whether a folder of `sys.path` holds a module or package named as this one."""
    name = conformance.__name__
    return (place / name).exists() or (place / f"{name}.py").exists()


def _installed_in() -> list[str]:
    return [*site.getsitepackages(), site.getusersitepackages()]


def _report_of(folder: Path) -> Report | None:
    return load_report(folder) if (folder / "report.json").exists() else None


def _error_in(output: str) -> str:
    """Return what the command printed as its error, without the usage; else its last lines."""
    found = re.split(r"^Error: ", output, flags=re.MULTILINE)
    return found[-1].strip() if len(found) > 1 else output.strip()[-2000:]
