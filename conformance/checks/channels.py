"""Threads whose states hold several channels, and the values that these must have.

The settings describe the channels. Whether the deployment's graph has them is learned from its
answers: a graph may omit or refuse what is no key of its state.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from conformance.checks.api import ThreadsApi
from conformance.checks.messages import followed_key, items_in, items_sent, type_and_content
from conformance.checks.outcomes import Blocked
from conformance.checks.views import Thread, items_of_followed_list
from conformance.deployment.settings import GraphSettings, numbered
from conformance.json_differences import same_json

_REFUSED = "the channels of the [graph] settings cannot be written, and are not judged"

Values = dict[str, Any]
Update = dict[str, Any]

#: The numbers of the two updates that write all channels. After a single update, a channel that
#: adds and one that replaces would hold the same value.
WRITTEN = (2, 3)


def values_of(holder: dict[str, Any]) -> Values:
    """Return the values that a thread or state shows; empty if they are no object."""
    values = holder.get("values")
    return values if isinstance(values, dict) else {}


def channels_before_and_after(
    before: Values, after: Values, graph: GraphSettings
) -> tuple[Values, Values]:
    """Return the described channels of an earlier state, and the same channels of a later one.

    The followed list of the later state is cut to the length that it has in the earlier one, since
    items may have been added.
    """
    key = followed_key(graph)
    held_before = {name: value for name, value in before.items() if _is_described(name, graph)}
    held_after = {name: after[name] for name in held_before if name in after}
    if key in held_after:
        held_after[key] = items_in(after, key)[: len(items_in(before, key))]
    return held_before, held_after


def append_update(graph: GraphSettings, number: int, channels: Values | None = None) -> Update:
    """Return the `append` update of the settings, which also writes all channels or `channels`."""
    update = numbered(graph.append, number)
    more = numbered(graph.channels if channels is None else channels, number)
    values = update.get("values") or {}
    return {**update, "values": {**values, **more}} if isinstance(values, dict) else update


def supersteps_with_channels(graph: GraphSettings, channels: Values) -> list[dict[str, Any]]:
    """Return the supersteps of the settings, followed by two that write these channels."""
    steps = [numbered(each, 1) for each in graph.supersteps]
    return steps + [{"updates": [append_update(graph, number, channels)]} for number in WRITTEN]


def thread_with_channels(given: ThreadsApi) -> Thread:
    """Prepopulate a thread whose last two states have a value in every channel.

    Where the deployment refuses the channels of the settings, only the keys of the supersteps and
    of `append` are written.
    """
    graph = given.context.graph()
    if graph.channels:
        try:
            return given.prepopulated(more=[append_update(graph, number) for number in WRITTEN])
        except Blocked:
            given.context.note(_REFUSED)
    return given.prepopulated(more=[numbered(graph.append, number) for number in WRITTEN])


def thread_with_channels_by_supersteps(given: ThreadsApi) -> tuple[Thread, list[dict[str, Any]]]:
    """Prepopulate a thread with all channels, by supersteps only; return it and the supersteps."""
    graph = given.context.graph()
    if graph.channels:
        steps = supersteps_with_channels(graph, graph.channels)
        try:
            return given.prepopulated(steps), steps
        except Blocked:
            given.context.note(_REFUSED)
    steps = supersteps_with_channels(graph, {})
    return given.prepopulated(steps), steps


def predicted_values(updates: Sequence[Update], graph: GraphSettings, at_first: Values) -> Values:
    """Return the values of the channels after some updates, as the settings predict them.

    `at_first` are the values before. A key is left out if it is in none of `appending`, `adding`
    and `replacing`, or if its values cannot be combined in that way.
    """
    values = {key: value for key, value in at_first.items() if _is_described(key, graph)}
    lost: set[str] = set()
    for update in updates:
        written = update.get("values")
        for key, value in written.items() if isinstance(written, dict) else ():
            if not _is_described(key, graph):
                continue
            try:
                values[key] = _combined(values.get(key), value, key, graph)
            except TypeError:
                lost.add(key)
    return {key: value for key, value in values.items() if key not in lost}


def keys_as_predicted(shown: Values, wanted: Values) -> tuple[str, ...]:
    """Return the keys that are shown with their predicted values."""
    return tuple(
        key
        for key, value in wanted.items()
        if key in shown and same_json(_comparable_value(shown[key]), _comparable_value(value))
    )


def keys_kept_by_last_update(
    states: Sequence[dict[str, Any]], graph: GraphSettings
) -> tuple[str, ...]:
    """Return the keys that the last update of a thread with channels changed as predicted.

    `states` is its history, newest first. `Blocked` if there is no such key.
    """
    if len(states) < len(WRITTEN):
        raise Blocked(f"a history of {len(WRITTEN)} updates shows {len(states)} states")
    newest, older = map(values_of, states[: len(WRITTEN)])
    kept = keys_as_predicted(
        newest, predicted_values([append_update(graph, WRITTEN[-1])], graph, older)
    )
    if not kept:
        raise Blocked("no key of the state is changed as the [graph] settings say")
    return kept


def channels_kept_by_runs(given: ThreadsApi) -> Values:
    """Return the channels of the settings that two runs change as predicted."""
    graph = given.context.graph()
    if not graph.channels or not isinstance(graph.run_input, dict):
        return {}
    inputs = [
        {**numbered(graph.run_input, number), **numbered(graph.channels, number)}
        for number in WRITTEN
    ]
    try:
        thread = given.empty()
        for each in inputs:
            given.run(thread, input=each)
        shown = given.state(thread)["values"]
    except Blocked:
        return {}
    kept = keys_as_predicted(
        shown, predicted_values([{"values": each} for each in inputs], graph, {})
    )
    return {key: value for key, value in graph.channels.items() if key in kept}


def emptied_channels(graph: GraphSettings, keys: Iterable[str]) -> Values:
    """Return an empty value of its own type for each of `keys` that an update replaces."""
    return {
        key: type(graph.channels[key])()
        for key in keys
        if key in graph.replacing and graph.channels.get(key) is not None
    }


def what_is_left(holder: dict[str, Any], emptied: Values) -> Values:
    """Return what a thread or state still shows in channels that were emptied.

    A graph may leave an empty channel out, or show it as null.
    """
    return {key: value for key, value in values_of(holder).items() if key in emptied and value}


def comparable_values(values: Values, keys: Iterable[str]) -> Values:
    """Return the values under these keys, with messages reduced to type and content."""
    return {key: _comparable_value(values[key]) for key in keys if key in values}


def shown_values(holder: dict[str, Any], graph: GraphSettings, keys: Iterable[str]) -> Values:
    """Return what a thread or state shows in the followed list and in these channels."""
    shown = comparable_values(values_of(holder), keys)
    return {**shown, **_followed_values(items_of_followed_list(holder, graph), graph)}


def expected_values(
    supersteps: Sequence[dict[str, Any]], graph: GraphSettings, keys: Iterable[str] | None = None
) -> Values:
    """Return what `shown_values` must return after these supersteps, in all channels or in `keys`.

    `Blocked` if there is no such value, since nothing would be compared.
    """
    updates = [update for superstep in supersteps for update in superstep["updates"]]
    wanted = predicted_values(updates, graph, {})
    if keys is not None:
        wanted = {key: wanted[key] for key in keys if key in wanted}
    if not wanted and not graph.appending:
        raise Blocked("the [graph] settings name no key of the state whose values are foretold")
    return {
        **comparable_values(wanted, wanted),
        **_followed_values(items_sent(supersteps, graph), graph),
    }


def _followed_values(items: list[Any], graph: GraphSettings) -> Values:
    return {followed_key(graph): type_and_content(items)} if graph.appending else {}


def _is_described(key: str, graph: GraphSettings) -> bool:
    return key in (*graph.appending, *graph.adding, *graph.replacing)


def _combined(current: Any, value: Any, key: str, graph: GraphSettings) -> Any:
    if key in graph.appending:
        return [*(current or []), *items_in({key: value}, key)]
    if key in graph.adding:
        return (0 if current is None else current) + value
    return value


def _comparable_value(value: Any) -> Any:
    return type_and_content(value) if isinstance(value, list) else value
