"""The members of a state that a request selects."""

from __future__ import annotations

from collections.abc import Sequence

from conformance.model.ids_and_times import JsonObject


def selected_state(state: JsonObject, select: Sequence[str]) -> JsonObject:
    """Return the members of a state in `select`; `values.<key>` selects one of the values."""
    if not select:
        return state
    chosen = {name: state[name] for name in select if name in state}
    keys = [name.removeprefix("values.") for name in select if name.startswith("values.")]
    if keys and "values" not in chosen:
        chosen["values"] = {name: state["values"][name] for name in keys if name in state["values"]}
    return chosen
