"""Faults of extracting values from the results of a search."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from conformance.faults.kit.http_changes import change_request, each_shown, without
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.extract import value_at_path
from conformance.model.ids_and_times import JsonObject
from conformance.model.search import Searches
from conformance.reference.wire import When, WireAnswer, WireRequest, json_answer


def _paths(body: JsonObject) -> dict[str, Any]:
    paths = body.get("extract")
    return paths if isinstance(paths, dict) else {}


def _extracting(request: WireRequest) -> bool:
    paths = _paths(request.members)
    return bool(paths) and all(isinstance(path, str) for path in paths.values())


def _few(request: WireRequest) -> bool:
    return _extracting(request) and len(request.members["extract"]) <= 10


def _changing_paths(
    change: Callable[[dict[str, str]], dict[str, str]], when: When = _extracting
) -> Apply:
    """Change the paths of `extract` in requests."""
    return change_request(
        "search", to=lambda body: {**body, "extract": change(body["extract"])}, when=when
    )


def _showing(change: Callable[[JsonObject, JsonObject], JsonObject]) -> Apply:
    """Show `change(thread, extracted)` for each thread found."""

    def apply(broken: FaultyDeployment) -> None:
        each_shown(broken, "search", when=_extracting)(
            lambda _, thread: change(thread, thread.get("extracted") or {})
        )

    return apply


def _giving(change: Callable[[str, Any], Any]) -> Apply:
    """Show `change(path, value)` as the value at each path."""

    def apply(broken: FaultyDeployment) -> None:
        def change_extracted(request: WireRequest, thread: JsonObject) -> JsonObject:
            paths, found = _paths(request.members), thread.get("extracted") or {}
            given = {alias: change(path, found.get(alias)) for alias, path in paths.items()}
            return {**thread, "extracted": given}

        each_shown(broken, "search", when=_extracting)(change_extracted)

    return apply


fault("extract-is-ignored", breaks=["EXTRACT-01", "EXTRACT-02", "EXTRACT-06"])(
    _showing(lambda thread, _: {**thread, "extracted": None})
)


fault("extract-knows-no-values", breaks=["EXTRACT-06"])(
    _giving(lambda path, value: None if path.startswith("values") else value)
)
fault("extract-takes-the-first-for-the-last", breaks=["EXTRACT-02"])(
    _changing_paths(
        lambda paths: {alias: path.replace("[-1]", "[0]") for alias, path in paths.items()}
    )
)
fault("extract-gives-an-empty-text-for-nothing", breaks=["EXTRACT-03"])(
    _giving(lambda _, value: "" if value is None else value)
)


@fault("extract-of-nothing-is-500", breaks=["EXTRACT-03"])
def of_nothing_is_500(broken: FaultyDeployment) -> None:
    @broken.wire.after("search", when=_extracting)
    def answer_500(_request: WireRequest, answer: WireAnswer) -> None:
        body = answer.body if isinstance(answer.body, list) else []
        if any(None in (each.get("extracted") or {}).values() for each in body):
            broken_off = json_answer(500, {"detail": "KeyError"})
            answer.status, answer.raw = broken_off.status, broken_off.raw


fault("extract-takes-the-first-ten-paths", breaks=["EXTRACT-04", "ERROR-ANY-02"])(
    _changing_paths(lambda paths: dict(list(paths.items())[:10]))
)
fault("extract-leaves-out-foreign-paths", breaks=["EXTRACT-05"])(
    _changing_paths(
        lambda paths: {
            alias: path
            for alias, path in paths.items()
            if path.split(".")[0] in ("values", "metadata", "config", "interrupts")
        },
        _few,
    )
)


# Aliases, threads, and indexes beyond a list

fault("extract-cuts-aliases-at-64-characters", breaks=["EXTRACT-01"])(
    _changing_paths(lambda paths: {alias[:64]: path for alias, path in paths.items()}, _few)
)
fault("extract-puts-aliases-in-lower-case", breaks=["EXTRACT-01"])(
    _changing_paths(lambda paths: {alias.lower(): path for alias, path in paths.items()}, _few)
)


@fault("extract-gives-all-threads-the-values-of-the-first", breaks=["EXTRACT-01"])
def all_threads_the_values_of_the_first(broken: FaultyDeployment) -> None:
    @broken.wire.answers("search", when=_extracting)
    def repeat(_request: WireRequest, found: Any) -> Any:
        return [{**each, "extracted": found[0].get("extracted")} for each in found]


_INDEXED = re.compile(r"(?P<of>.*)\[(?P<index>-?\d+)\]$")


def _beyond(nearest: Callable[[int, int], int | None]) -> Apply:
    """Take the element at `nearest(index, length)` of a list instead, unless that is None."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(Searches.selected)
        def selected(right: Any, view: JsonObject, select: Any, extract: Any) -> Any:
            paths = {alias: within(view, path) for alias, path in (extract or {}).items()}
            return right(view, select, paths or extract)

        def within(view: JsonObject, path: str) -> str:
            indexed = _INDEXED.match(path)
            items = value_at_path(view, indexed["of"]) if indexed else None
            if indexed is None or not isinstance(items, list) or not items:
                return path
            instead = nearest(int(indexed["index"]), len(items))
            return path if instead is None else f"{indexed['of']}[{instead}]"

    return apply


fault("extract-takes-the-last-for-an-index-beyond-the-end", breaks=["EXTRACT-03"])(
    _beyond(lambda index, length: -1 if index >= length else None)
)
fault("extract-counts-round-a-list", breaks=["EXTRACT-03"])(
    _beyond(lambda index, length: None if -length <= index < length else index % length)
)


# Together with select


def _selecting(request: WireRequest) -> bool:
    return _few(request) and "select" in request.members


fault("extract-is-left-out-of-what-is-selected", breaks=["EXTRACT-07"])(
    change_request("search", to=lambda body: without(body, "extract"), when=_selecting)
)


@fault("extract-sees-only-what-is-selected", breaks=["EXTRACT-07"])
def sees_only_what_is_selected(broken: FaultyDeployment) -> None:
    @broken.override(Searches.selected)
    def selected(right: Any, view: JsonObject, select: Any, extract: Any) -> Any:
        if select is None:
            return right(view, select, extract)
        return right({name: view[name] for name in select}, select, extract)


fault("select-is-ignored-beside-extract", breaks=["SELECT-01"])(
    change_request("search", to=lambda body: without(body, "select"), when=_selecting)
)
