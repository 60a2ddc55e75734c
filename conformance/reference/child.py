"""What the child process of `process.py` runs: the reference, served until the end of stdin."""

from __future__ import annotations

from pathlib import Path

from conformance.reference.app import new_store
from conformance.reference.journal import attach_journal
from conformance.reference.restarting import RestartableApp
from conformance.reference.server import serve


def serve_child(port: str = "0", file: str | None = None) -> None:
    """Serve the reference until the end of stdin, with its threads in `file` if one is given."""
    store = new_store(indexed=True)
    app = RestartableApp(store)
    if file and attach_journal(store, Path(file)):
        app.restart()
    serve(int(port), app=app, until_eof=True)
