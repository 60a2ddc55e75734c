"""Which members of states can be compared, and whether there is anything to compare.

Histories are compared after each thread's own id is masked wherever it occurs as a whole
string value, in any member. Everything else counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from conformance.checks.comparison_count import count_judgement
from conformance.checks.outcomes import Blocked, PromiseBroken
from conformance.checks.views import History, State, checkpoint_id_of, parent_id_of
from conformance.contract.schemas import schema_members
from conformance.deployment.client import Answer
from conformance.json_differences import same_json
from conformance.safe_text import excerpt

#: Members that stay the same when a state is added after this one; `tasks` get their results
#: then, and `next` changes with them.
_LASTING = ("values", "metadata", "created_at")
#: The members of a state's metadata that belong to the server's contract.
_METADATA = frozenset({"source", "step", "parents"})
#: Stands for a thread's own id.
OWN_THREAD = "<this thread>"


def require_some(shown: Iterable[object], what: str, by: str = "") -> None:
    """Block the check if everything in `shown` is empty, since nothing would be compared.

    `what` says in words what is missing; `by` is the requirement that demands it, if any.
    """
    if not any(shown):
        raise Blocked(f"nothing to compare: {what}", by=by or ())


def lasting_members(states: Iterable[State]) -> list[dict[str, Any]]:
    """Return, for each state, the members that a later state must not change."""
    return [
        {
            "checkpoint_id": checkpoint_id_of(state),
            "parent_checkpoint_id": parent_id_of(state),
            **{name: state.get(name) for name in _LASTING},
        }
        for state in contract_members_of_each(states)
    ]


def published_members(schema: str, value: Any) -> Any:
    """Return an object, or each object of a list, with only the members that `schema` declares."""
    if isinstance(value, list):
        return [published_members(schema, each) for each in value]
    if not isinstance(value, dict):
        return value
    known = schema_members(schema)
    return {name: each for name, each in value.items() if name in known}


def published_state(state: State) -> State:
    """Return the published members of a state, and of the states in its tasks.

    Other members are free, and may differ between two reads. `created_at` is converted to UTC,
    since the documents show timestamps in two notations.
    """
    shown: State = published_members("thread_state", state)
    if isinstance(shown.get("created_at"), str):
        shown["created_at"] = _in_utc(shown["created_at"])
    return _with_states_of_tasks(shown, published_state)


def contract_members(state: State) -> State:
    """Return the part of a state that must not differ between two reads.

    These are its published members, and of its metadata `source`, `step` and `parents`: the rest
    is the application's, such as the metadata of the thread, which may change.
    """
    shown = published_state(state)
    if isinstance(shown.get("metadata"), dict):
        shown["metadata"] = {
            name: value for name, value in shown["metadata"].items() if name in _METADATA
        }
    return shown


def contract_members_of_each(states: Iterable[State]) -> list[State]:
    """Return the part of each state that must not differ between two reads."""
    return [contract_members(each) for each in states]


def masked_states(history: History, copied_from: str | None = None) -> list[State]:
    """Return the states of a history in the form in which copy and source are compared.

    `copied_from` is the id of the source of a copy: see `masked_state`.
    """
    return [masked_state(each, history.thread_id, copied_from) for each in history]


def masked_state(state: State, thread_id: str, copied_from: str | None = None) -> State:
    """Return a state with its thread's own id masked, to compare a copy with its source.

    `metadata.thread_id` is left out, as in the documents' comparison. The id of the source,
    `copied_from`, is masked in `checkpoint` and `parent_checkpoint` too, since a server may
    continue to name the source there: COPY-20 judges whether they name the copy. In the
    checkpoints of tasks, which no document describes, the id of the source is not masked.
    """
    return _masked(mask_thread_id(published_state(state), thread_id), copied_from)


def maskable_state(state: State, copied_from: str | None = None) -> State:
    """Return a state as `masked_state` does, but for its thread's own id, which is not masked."""
    return _masked(published_state(state), copied_from)


def mask_thread_id(value: Any, thread_id: str) -> Any:
    """Return a copy of `value` in which every string equal to `thread_id` is masked."""
    own, length = thread_id.lower(), len(thread_id)

    def masked(value: Any) -> Any:
        if isinstance(value, str):
            return OWN_THREAD if len(value) == length and value.lower() == own else value
        if isinstance(value, list):
            return [masked(each) for each in value]
        if isinstance(value, dict):
            return {key: masked(each) for key, each in value.items()}
        return value

    return masked(value)


def _masked(state: State, copied_from: str | None) -> State:
    if isinstance(state.get("metadata"), dict):
        state["metadata"] = {
            name: value for name, value in state["metadata"].items() if name != "thread_id"
        }
    if copied_from is not None:
        for name in ("checkpoint", "parent_checkpoint"):
            checkpoint = state.get(name)
            if isinstance(checkpoint, dict) and "thread_id" in checkpoint:
                named = mask_thread_id(checkpoint["thread_id"], copied_from)
                state[name] = {**checkpoint, "thread_id": named}
    return _with_states_of_tasks(state, lambda inner: _masked(inner, copied_from))


def shown_by_both(one: State, other: State) -> tuple[State, State]:
    """Return two views of one state, each with only the published members that both views show.

    In metadata, members other than `source`, `step` and `parents` are left out if only one view
    shows them. In tasks, an empty member is left out if the other view does not show it.
    """
    first, second = published_state(one), published_state(other)
    both = first.keys() & second.keys()
    pairs = {name: _in_one_form(name, first[name], second[name]) for name in both}
    return (
        {name: pair[0] for name, pair in pairs.items()},
        {name: pair[1] for name, pair in pairs.items()},
    )


def _in_one_form(name: str, one: Any, other: Any) -> tuple[Any, Any]:
    """Return the values of one member in two views, without what only one view may show."""
    if name == "metadata" and isinstance(one, dict) and isinstance(other, dict):
        names = (one.keys() & other.keys()) | _METADATA
        return (
            {each: one[each] for each in names & one.keys()},
            {each: other[each] for each in names & other.keys()},
        )
    if name == "tasks" and isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            return one, other
        pairs = [_tasks_in_one_form(*pair) for pair in zip(one, other, strict=True)]
        return [each for each, _ in pairs], [each for _, each in pairs]
    return one, other


def _tasks_in_one_form(one: Any, other: Any) -> tuple[Any, Any]:
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return one, other
    return (
        {name: value for name, value in one.items() if value or name in other},
        {name: value for name, value in other.items() if value or name in one},
    )


def _in_utc(moment: str) -> str:
    """Return an RFC 3339 time in UTC; other texts as they are."""
    try:
        parsed = datetime.fromisoformat(moment.upper())
    except ValueError:
        return moment
    return parsed.astimezone(UTC).isoformat() if parsed.tzinfo else moment


def _tasks_of(state: State) -> list[dict[str, Any]]:
    tasks = state.get("tasks")
    return [each for each in tasks if isinstance(each, dict)] if isinstance(tasks, list) else []


def _with_states_of_tasks(state: State, form: Callable[[State], State]) -> State:
    """Return the state with `form` applied to each subgraph state that its tasks hold."""
    if not any(isinstance(each.get("state"), dict) for each in _tasks_of(state)):
        return state
    tasks = [
        {**each, "state": form(each["state"])}
        if isinstance(each, dict) and isinstance(each.get("state"), dict)
        else each
        for each in state["tasks"]
    ]
    return {**state, "tasks": tasks}


def shows_its_state(thread: Any, state: Any) -> bool:
    """Return whether GET of a thread agrees with its newest state.

    The thread must not be busy, must show the same values, and must show interrupts if and only
    if a task of the state does. What only one of the two shows is not compared.
    """
    if not (isinstance(thread, dict) and isinstance(state, dict)):
        return True
    values, interrupts = thread.get("values"), thread.get("interrupts")
    has_interrupts = any(each.get("interrupts") for each in _tasks_of(state))
    return (
        thread.get("status") != "busy"
        and (values is None or "values" not in state or same_json(values, state["values"]))
        and (interrupts is None or not state or holds_no_data(interrupts) is not has_interrupts)
    )


def parent_ids(state: State) -> set[str]:
    """Return the ids that a state shows in `parent_checkpoint` and in `parent_checkpoint_id`."""
    parent = state.get("parent_checkpoint")
    inner = parent.get("checkpoint_id") if isinstance(parent, dict) else None
    named = (inner, state.get("parent_checkpoint_id"))
    return {each for each in named if isinstance(each, str)}


def holds_no_data(values: Any) -> bool:
    """Return whether values hold no data: no members, or only empty ones."""
    members = values.values() if isinstance(values, dict) else values
    return isinstance(values, dict | list) and not any(members)


def is_empty_state(answer: Answer) -> bool:
    """Return whether an answer is a state whose values hold no data."""
    state = answer.body if answer.ok else None
    return isinstance(state, dict) and "values" in state and holds_no_data(state["values"])


def assert_refused_or_empty(answer: Answer, initial_values: Callable[[], Any]) -> None:
    """Assert that an answer is a 4xx, or a state whose values hold no data but defaults.

    `initial_values` returns the values of a new thread, in which a channel may have a default. It
    is called only if the answer holds data.
    """
    count_judgement()
    if is_empty_state(answer) or 400 <= answer.status < 500:
        return
    state = answer.body if answer.ok else None
    values = state.get("values") if isinstance(state, dict) else None
    if not (isinstance(values, dict) and same_json(values, initial_values())):
        told = f"{answer.status} {excerpt(answer.text)}"
        raise PromiseBroken("a refusal by 4xx, or a state without values but defaults", told)
