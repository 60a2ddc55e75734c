"""A prerequisite of newer requirements: the deployment's OpenAPI document declares the subject."""

from __future__ import annotations

from typing import Any

from conformance.checks.outcomes import Blocked, Unsupported
from conformance.contract.catalogue import Requirement
from conformance.contract.causes import Cause
from conformance.contract.claims import Claim, declares
from conformance.deployment.client import ThreadsClient, UndigestedAnswerError
from conformance.deployment.probe.own_openapi import OWN_PATH


def own_document(client: ThreadsClient) -> Any:
    """Return the deployment's OpenAPI document, or None where it publishes none.

    Raises `Blocked` for a 5xx: whether there is a document is not known then.
    """
    try:
        answer = client.send("openapi", "GET", OWN_PATH)
        document = answer.body if answer.ok and answer.is_json else None
    except UndigestedAnswerError:
        return None
    if answer.status >= 500:
        raise Blocked(
            f"the deployment's OpenAPI document is answered by {answer.status}",
            by=Cause.refused("openapi", answer.status, "document"),
        )
    return document


def require_claim(document: Any, requirement: Requirement) -> None:
    """Raise `Unsupported` unless the document declares the parameter or member of a requirement."""
    claim = Claim.parse(requirement.claim)
    if not declares(document, claim):
        raise Unsupported(
            f"the deployment's OpenAPI document does not declare {claim}, published since "
            f"langgraph-api {requirement.since}",
            by=Cause.at(f"claim: {claim}"),
        )
