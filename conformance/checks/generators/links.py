"""Stories: sequences of requests along the links of our OpenAPI document.

A link says which id of an answer a later request uses. schemathesis generates the stories; our own
client sends their requests.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import hypothesis

from conformance.checks.generators.hypothesis_setup import LastBrokenPromise, hypothesis_settings
from conformance.contract.schemas import load_openapi
from conformance.deployment.client import Answer
from conformance.deployment.settings import Settings
from conformance.time_account import Activity, spend

if TYPE_CHECKING:
    import schemathesis

#: How many stories are run, and of how many requests each, by effort.
STORIES = {"quick": 2, "standard": 5, "thorough": 60}
STEPS = {"quick": 6, "standard": 8, "thorough": 12}

#: Sends an operation, by its id, for a thread (and checkpoint) with a body.
Send = Callable[[str, dict[str, Any], Any], Answer]

_NOWHERE = "http://deployment.invalid"


def for_all_stories(
    begin: Callable[[], Send], without: dict[str, tuple[str, ...]], settings: Settings
) -> None:
    """Run generated stories, each of which begins with `create_thread`.

    `begin` is called for each story and returns the function that sends and judges its requests.
    `without` names members of request schemas that are left out.
    """
    with spend(Activity.GENERATING):
        # Here, and not above: to import it takes a tenth of the time to the first check.
        import schemathesis

        schema = schemathesis.openapi.from_dict(_document(without), config=_config())
        machine: Any = schema.as_state_machine()
    broken = LastBrokenPromise()

    class Story(machine):  # type: ignore[misc]
        """One generated story."""

        def setup(self) -> None:
            self.send_and_judge = begin()

        def call(self, case: schemathesis.Case[Any], **_: Any) -> schemathesis.Response:
            """Send the request by our own client instead of that of schemathesis."""
            body = case.body if isinstance(case.body, dict) else None
            operation_id = str(case.operation.definition.raw["operationId"])
            with broken.record(), spend(Activity.JUDGING):
                answer = self.send_and_judge(operation_id, dict(case.path_parameters), body)
            return _response(case, answer)

        def validate_response(self, *_: Any, **__: Any) -> None:
            """Do nothing: the function that sent the request has judged its answer."""

    with broken.replace_flaky(), spend(Activity.GENERATING):
        hypothesis.seed(settings.seed)(Story).run(
            settings=hypothesis_settings(
                settings, STORIES[settings.effort], stateful_step_count=STEPS[settings.effort]
            )
        )


def _document(without: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    """Return our document with only the operations that links connect, and path parameters."""
    document = load_openapi()
    for name, members in without.items():
        for each in members:
            del document["components"]["schemas"][name]["properties"][each]
    operations = [
        operation for methods in document["paths"].values() for operation in methods.values()
    ]
    linked = {"create_thread"} | {
        name
        for operation in operations
        for response in operation["responses"].values()
        for name in response.get("links", {})
    }
    for methods in document["paths"].values():
        for method, operation in list(methods.items()):
            if operation["operationId"] not in linked:
                del methods[method]
            elif "parameters" in operation:
                operation["parameters"] = [
                    each for each in operation["parameters"] if each["in"] == "path"
                ]
    document["paths"] = {path: methods for path, methods in document["paths"].items() if methods}
    return document


def _config() -> schemathesis.Config:
    """Return a configuration for valid requests, and for declared links only."""
    import schemathesis

    return schemathesis.Config.from_dict(
        {
            "generation": {"mode": "positive"},
            "phases": {"stateful": {"inference": {"algorithms": []}}},
        }
    )


def _response(case: schemathesis.Case[Any], answer: Answer) -> schemathesis.Response:
    """Return the answer as a response of schemathesis, which follows the links in it."""
    import schemathesis

    response = httpx.Response(
        answer.status,
        headers={"content-type": answer.headers.get("content-type", "")},
        text=answer.text,
        request=httpx.Request(case.method, f"{_NOWHERE}{case.formatted_path}"),
    )
    response.elapsed = timedelta()
    return schemathesis.Response.from_any(response)
