"""What checks touch without any alteration, kept in the user's cache for later matrices.

Only checks that passed are kept: another verdict may be one of a busy machine. The key depends on
all code that decides what a check sends and what the reference does with it, and on the settings;
definitions of faults and freedoms decide neither.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import msgspec
from filelock import FileLock

from conformance.code_digest import code_digest
from conformance.deployment.settings import Settings
from conformance.reference.wire import WireRequest
from conformance.selftest.impact import Impact, SentRequest
from conformance.user_dirs import cache_dir, keep_newest

#: What decides what a check touches.
_DECIDING = (
    *("checks", "clients", "contract", "deployment", "model", "reference", "runner", "suite"),
    *("faults/registry.py", "selftest/worker.py", "selftest/asgi.py", "selftest/impact.py"),
    *("data.py", "json_differences.py", "json_text.py", "parallel.py", "waiting.py"),
)
#: How many files are kept; the oldest are removed first.
_MOST_FILES = 12

_Decision = Callable[..., Any]


class LearntCache:
    """The impacts of checks by their ids, under the key of these settings and `decisions`."""

    def __init__(self, settings: Settings, decisions: Iterable[_Decision]) -> None:
        self._decisions = {_name(each): each for each in decisions}
        # What differs from run to run, or only selects checks, decides nothing.
        same = replace(settings, run_id="", started_at="", run_dir="", requirements=())
        key = code_digest(_DECIDING, same.to_json(), *sorted(self._decisions))
        self._file = cache_dir("learnt") / f"{key[:32]}.json.gz"

    def load(self) -> dict[str, Impact]:
        """Return the impact of each check that is kept; none where the file cannot be read."""
        return {
            check: Impact((self._decisions[each] for each in kept.decisions), _requests(kept))
            for check, kept in self._read().items()
        }

    def store(self, impacts: Mapping[str, Impact]) -> None:
        """Add impacts; nothing happens where the cache cannot be written."""
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            # Several processes of one matrix learn different checks.
            with FileLock(self._file.with_name(".lock")):
                kept = self._read() | {check: _plain(each) for check, each in impacts.items()}
                partial = self._file.with_suffix(".partial")
                partial.write_bytes(gzip.compress(msgspec.json.encode(kept), 1))
                partial.replace(self._file)
                keep_newest(self._file.parent, "*.json.gz", _MOST_FILES)

    def _read(self) -> dict[str, _Kept]:
        try:
            return _FILE.decode(gzip.decompress(self._file.read_bytes()))
        except (OSError, EOFError, ValueError):
            return {}


class _Sent(msgspec.Struct, array_like=True):
    """A request as it is kept; bytes are Latin-1 texts, and the body is Base64."""

    method: str
    path: str
    query: str
    raw: bytes
    headers: list[tuple[str, str]]
    status: int | None


class _Kept(msgspec.Struct):
    """An impact as it is kept: names of decisions, and requests that are not read yet."""

    decisions: list[str]
    requests: msgspec.Raw


_FILE = msgspec.json.Decoder(dict[str, _Kept])
_SENT = msgspec.json.Decoder(list[_Sent])


def _requests(kept: _Kept) -> Iterator[SentRequest]:
    for each in _SENT.decode(kept.requests):
        headers = [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in each.headers
        ]
        yield SentRequest(
            WireRequest(each.method, each.path, each.query.encode("latin-1"), each.raw, headers),
            each.status,
        )


def _plain(impact: Impact) -> _Kept:
    sent = [
        _Sent(
            each.request.method,
            each.request.path,
            each.request.query_string.decode("latin-1"),
            each.request.raw,
            [
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in each.request.headers
            ],
            each.status,
        )
        for each in impact.requests
    ]
    return _Kept(sorted(map(_name, impact.decisions)), msgspec.Raw(msgspec.json.encode(sent)))


def _name(decision: _Decision) -> str:
    return f"{decision.__module__}.{decision.__qualname__}"
