"""Faults of runs that interrupt: their outputs, unusual resume values, several interrupts."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.faults.kit.http_changes import change_answer, without
from conformance.faults.kit.runs import found_run, runs_on
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.entities import Checkpoint, Run, Task
from conformance.model.executor import Executor
from conformance.model.streams import INTERRUPT
from conformance.model.superstep_execution import ResumeValue, Steps
from conformance.reference.wire import Json, WireRequest

# Interrupts in outputs


def _interrupts_in_output(change: Callable[[list[Json]], Json], *operations: str) -> Apply:
    """Change the interrupts in the output of a run."""
    return change_answer(
        *operations,
        to=lambda _, output: (
            {**output, INTERRUPT: change(output[INTERRUPT])}
            if isinstance(output, dict) and INTERRUPT in output
            else output
        ),
    )


for name, operation, broken_id in (
    ("waited", "run_wait", "INTERRUPT-23"),
    ("joined", "run_join", "INTERRUPT-24"),
):
    fault(f"question-of-a-{name}-run-is-left-out", breaks=broken_id)(
        _interrupts_in_output(lambda _: [], operation)
    )
    fault(f"question-of-a-{name}-run-has-no-value", breaks=broken_id)(
        _interrupts_in_output(lambda asked: [without(each, "value") for each in asked], operation)
    )


@fault("question-of-a-run-is-told-to-its-first-joiner-alone", breaks="INTERRUPT-24")
def question_is_told_once(broken: FaultyDeployment) -> None:
    told: set[str] = set()

    @broken.wire.answers("run_join")
    def tell_once(request: WireRequest, output: Json) -> Json:
        if not isinstance(output, dict) or INTERRUPT not in output:
            return output
        if request.path in told:
            return without(output, INTERRUPT)
        told.add(request.path)
        return output


def _text_is_taken(becomes: Callable[[Json], Json], operation: str) -> Apply:
    """Change an output without interrupts that has the text `__interrupt__` anywhere."""
    return change_answer(
        operation,
        to=lambda _, output: (
            becomes(output)
            if isinstance(output, dict)
            and INTERRUPT not in output
            and INTERRUPT in json.dumps(output)
            else output
        ),
    )


fault("text-in-a-waited-run-is-taken-for-a-question", breaks="INTERRUPT-25")(
    _text_is_taken(lambda output: {**output, INTERRUPT: []}, "run_wait")
)
fault("text-in-a-joined-run-leaves-its-values-out", breaks="INTERRUPT-25")(
    _text_is_taken(lambda _: {}, "run_join")
)
fault("text-in-a-stateless-run-is-taken-for-a-question", breaks="INTERRUPT-25")(
    _text_is_taken(lambda _: {INTERRUPT: []}, "stateless_wait")
)

# Unusual resume values


def _resuming_with(change: Callable[[ResumeValue, Checkpoint], ResumeValue | None]) -> Apply:
    """Change the resume value of a run at a checkpoint, if it has one."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(Executor.resume_value_of)
        def resume_value_of(right: Any, run: Run, here: Checkpoint) -> ResumeValue | None:
            answer: ResumeValue | None = right(run, here)
            return answer if answer is None else change(answer, here)

    return apply


def _is_scalar(answer: ResumeValue, *values: object) -> bool:
    return answer.by_interrupt is None and any(
        type(answer.value) is type(each) and answer.value == each for each in values
    )


fault("answer-that-is-zero-or-false-is-none", breaks="INTERRUPT-05")(
    _resuming_with(lambda answer, _: None if _is_scalar(answer, 0, False) else answer)
)
fault("answer-that-is-an-empty-text-is-none", breaks="INTERRUPT-05")(
    _resuming_with(lambda answer, _: None if _is_scalar(answer, "") else answer)
)
fault("answer-that-is-false-arrives-as-true", breaks="INTERRUPT-05")(
    _resuming_with(lambda answer, _: ResumeValue(True) if _is_scalar(answer, False) else answer)
)


def _looks_like_ids(answer: ResumeValue) -> bool:
    keys = list(answer.value) if isinstance(answer.value, dict) else []
    return bool(keys) and all(
        len(key) == 32 and set(key) <= set("0123456789abcdef") for key in keys
    )


fault("object-whose-keys-look-like-ids-reaches-nobody", breaks="INTERRUPT-27")(
    _resuming_with(lambda answer, _: None if _looks_like_ids(answer) else answer)
)
fault("object-whose-keys-look-like-ids-arrives-as-its-first-value", breaks="INTERRUPT-27")(
    _resuming_with(
        lambda answer, _: (
            ResumeValue(next(iter(answer.value.values()))) if _looks_like_ids(answer) else answer
        )
    )
)


def _answering_unasked(value: Callable[[list[Any]], Any]) -> Apply:
    """Resume a run without resume value by `value(resume values of the thread's earlier runs)`."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(Executor.resume_value_of)
        def resume_value_of(right: Any, run: Run, here: Checkpoint) -> ResumeValue | None:
            answer: ResumeValue | None = right(run, here)
            found = found_run(broken.store, run.run_id)
            if (
                answer is not None
                or found is None
                or not any(task.is_interrupted for task in here.tasks)
            ):
                return answer
            commands = [
                each.kwargs.get("command") or {} for each in runs_on(broken.store, found[0])
            ]
            earlier = [each["resume"] for each in commands if "resume" in each]
            return ResumeValue(value(earlier)) if earlier else None

    return apply


fault("run-without-an-answer-gives-the-last-one-again", breaks="INTERRUPT-26")(
    _answering_unasked(lambda earlier: earlier[-1])
)
fault("run-without-an-answer-answers-null-from-the-second-time", breaks="INTERRUPT-26")(
    _answering_unasked(lambda _: None)
)

# Several interrupts


@fault("questions-of-one-node-have-its-id", breaks="INTERRUPT-28")
def questions_of_one_node_have_its_id(broken: FaultyDeployment) -> None:
    @broken.override(Steps.interrupt)
    def interrupt(right: Any, task: Task, value: Any) -> Any:
        asked = right(task, value)
        if task.reads_state:
            return asked
        return replace(asked, interrupt_id=uuid.uuid5(uuid.NAMESPACE_OID, task.name).hex)


def _answers(answer: ResumeValue) -> dict[str, Any]:
    return answer.by_interrupt or {}


fault("answers-by-several-ids-are-the-first-of-them", breaks="INTERRUPT-28")(
    _resuming_with(
        lambda answer, _: (
            ResumeValue(next(iter(_answers(answer).values())))
            if len(_answers(answer)) > 1
            else answer
        )
    )
)
fault("answers-by-several-ids-reach-the-first-question", breaks="INTERRUPT-28")(
    _resuming_with(
        lambda answer, _: (
            ResumeValue(None, dict([next(iter(_answers(answer).items()))]))
            if len(_answers(answer)) > 1
            else answer
        )
    )
)


def _asking(here: Checkpoint) -> int:
    return sum(task.is_interrupted for task in here.tasks)


fault("answer-to-one-question-answers-all", breaks="INTERRUPT-29")(
    _resuming_with(
        lambda answer, here: (
            ResumeValue(next(iter(_answers(answer).values())))
            if len(_answers(answer)) == 1 and _asking(here) > 1
            else answer
        )
    )
)


@fault("answer-to-one-of-several-questions-is-forgotten", breaks="INTERRUPT-29")
def answer_to_one_of_several_is_forgotten(broken: FaultyDeployment) -> None:
    @broken.override(Steps.execute_superstep)
    def taken(right: Any, graph: Any, here: Checkpoint, answer: Any, metadata: Any) -> Any:
        waits = any(task.is_interrupted for task in here.tasks)
        tasks = tuple(
            replace(task, done=False, result=None) if waits and task.done else task
            for task in here.tasks
        )
        return right(graph, replace(here, tasks=tasks), answer, metadata)
