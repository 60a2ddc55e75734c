"""Freedoms of the form of interrupts, and of where they are shown."""

from __future__ import annotations

from typing import Any

from conformance.faults.kit.http_changes import STATES, change_shown, without
from conformance.freedoms.kit import JsonObject, change_every_object, change_member
from conformance.freedoms.registry import freedom
from conformance.model.entities import Thread
from conformance.model.views import Views
from conformance.reference.altered import Altered


def _is_interrupt(value: JsonObject) -> bool:
    return value.keys() == {"id", "value"}


def _old_interrupt(value: JsonObject) -> JsonObject:
    if not _is_interrupt(value):
        return value
    return {"value": value["value"], "resumable": True, "ns": ["ask:1"], "when": "during"}


freedom(
    "states-have-no-interrupts",
    allowed_by="No output of the documents shows them; the published ThreadState does not "
    "require them.",
    may_block="INTERRUPT-03",
    choice="interrupts of a state",
)(change_shown(*STATES, to=lambda state: without(state, "interrupts")))

freedom(
    "threads-have-no-interrupts",
    allowed_by="No output of the documents shows them; the published Thread does not require them.",
    may_block="INTERRUPT-01 INTERRUPT-04 INTERRUPT-10 NESTED-01 CONDITION-02",
    choice="interrupts of a thread",
)(change_shown("create", "get", "update", "copy", to=lambda each: without(each, "interrupts")))


@freedom(
    "interrupts-of-threads-are-objects",
    allowed_by="The published type of a thread's interrupts is object, and says no more.",
    choice="interrupts of a thread",
)
def interrupts_of_threads_are_objects(altered: Altered) -> None:
    @altered.override(Views.pending_interrupts)
    def pending(right: Any, thread: Any) -> JsonObject:
        return {task: {"value": asked[0]["value"]} for task, asked in right(thread).items()}


freedom(
    "interrupts-have-the-old-form",
    allowed_by="The published Interrupt requires its value alone; the linked pages print "
    "resumable, ns and when.",
    choice="form of an interrupt",
    may_block="INTERRUPT-15 NESTED-11 THREAD-STREAM-28 THREAD-STREAM-29",
)(change_every_object(_old_interrupt))
freedom(
    "interrupts-have-no-id",
    allowed_by="The published Interrupt requires its value alone, and its id may be null.",
    choice="form of an interrupt",
    may_block="INTERRUPT-15 NESTED-11 THREAD-STREAM-28 THREAD-STREAM-29",
)(change_every_object(lambda each: {**each, "id": None} if _is_interrupt(each) else each))
freedom(
    "interrupts-have-a-schema",
    allowed_by="The published Interrupt has a response_schema.",
)(
    change_every_object(
        lambda each: {**each, "response_schema": {}} if _is_interrupt(each) else each
    )
)


@freedom(
    "threads-show-tasks-that-ask-nothing",
    allowed_by="The published type of a thread's interrupts is object, and says no more.",
    choice="interrupts of a thread",
)
def threads_show_tasks_that_ask_nothing(altered: Altered) -> None:
    @altered.override(Views.pending_interrupts)
    def pending(right: Any, thread: Thread) -> JsonObject:
        tasks = thread.latest.tasks if thread.latest else ()
        return {**{task.task_id: [] for task in tasks}, **right(thread)}


def _values_alone(interrupts: Any) -> list[JsonObject]:
    return [{"value": each["value"]} for each in interrupts or []]


freedom(
    "interrupts-of-states-say-less-than-those-of-tasks",
    allowed_by="The published Interrupt requires its value alone, and no source says that the "
    "interrupts of a state say as much as those of its tasks.",
    choice="form of an interrupt",
)(
    change_shown(
        *STATES,
        to=change_member("interrupts", _values_alone),
    )
)
