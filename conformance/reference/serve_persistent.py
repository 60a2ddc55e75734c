"""The reference with a store that is kept in a file, beyond the end of the process."""

from __future__ import annotations

from pathlib import Path

from conformance.reference.altered import Altered
from conformance.reference.app import new_store
from conformance.reference.journal import attach_journal
from conformance.reference.restarting import RestartableApp
from conformance.reference.server import serve


def serve_child(port: str = "0", file: str | None = None) -> None:
    """Serve the reference until the end of stdin, with its threads in `file` if one is given."""
    store = new_store()
    app = RestartableApp(store)
    if file and attach_journal(store, Path(file)):
        app.restart()
    serve(int(port), app=app, until_eof=True)


def persist_in(altered: Altered, file: Path) -> None:
    """Load the threads from the file, if there are any, and write every later change to it."""
    if attach_journal(altered.store, file) and altered.app is not None:
        altered.app.restart()
