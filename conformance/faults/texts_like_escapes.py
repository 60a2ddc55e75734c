"""Faults of texts that look like escapes or markup: they are altered when they are received."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from html import escape
from typing import Any

from conformance.faults.kit.http_changes import altered_by, change_request, mapped
from conformance.faults.registry import Apply, fault

_LONGEST = 4_096


def _texts_in(member: str, operation: str, change: Callable[[str], str]) -> Apply:
    """Change every text in one member of the body of requests."""

    def changed(body: dict[str, Any]) -> dict[str, Any]:
        if member not in body:
            return body
        altered = mapped(body[member], lambda leaf: change(leaf) if isinstance(leaf, str) else leaf)
        return {**body, member: altered}

    return change_request(operation, to=changed, when=altered_by(changed))


def _without_nul(text: str) -> str:
    """Replace the JSON escape of NUL within a text, as if it were the escape itself."""
    return text.replace(r"\u0000", "\ufffd")


fault("create-alters-backslash-u0000-in-metadata", breaks=["CREATE-20"])(
    _texts_in("metadata", "create", _without_nul)
)
fault("update-alters-backslash-u0000-in-metadata", breaks=["UPDATE-15"])(
    _texts_in("metadata", "update", _without_nul)
)
fault("supersteps-alter-backslash-u0000", breaks=["PREPOP-23"])(
    _texts_in("supersteps", "create", _without_nul)
)
fault("state-update-alters-backslash-u0000", breaks=["STATE-UPDATE-18"])(
    _texts_in("values", "update_state", _without_nul)
)
fault("input-of-a-run-alters-backslash-u0000", breaks=["RUN-20"])(
    _texts_in("input", "run_wait", _without_nul)
)


def _without_nul_in_keys(body: Any) -> Any:
    if not isinstance(body, dict):
        return body
    return {_without_nul(key): _without_nul_in_keys(each) for key, each in body.items()}


fault("create-alters-backslash-u0000-in-keys-of-metadata", breaks=["CREATE-20"])(
    change_request("create", to=_without_nul_in_keys, when=altered_by(_without_nul_in_keys))
)
fault("create-reads-backslash-n-as-a-new-line", breaks=["CREATE-20"])(
    _texts_in("metadata", "create", lambda text: text.replace(r"\n", "\n"))
)
fault("update-decodes-percent-escapes-in-metadata", breaks=["UPDATE-15"])(
    _texts_in("metadata", "update", lambda text: text.replace("%2e", "."))
)
fault("supersteps-escape-markup", breaks=["PREPOP-23"])(
    _texts_in("supersteps", "create", lambda text: escape(text) if "<b>" in text else text)
)
fault("state-update-composes-characters", breaks=["STATE-UPDATE-18"])(
    _texts_in("values", "update_state", lambda text: unicodedata.normalize("NFC", text))
)
fault("input-of-a-run-is-cut", breaks=["RUN-20"])(
    _texts_in("input", "run_wait", lambda text: text[:_LONGEST])
)
