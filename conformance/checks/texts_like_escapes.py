"""Texts that look like escapes, markup or paths, and whether a deployment keeps them as they are.

Each is an ordinary text that every JSON reader keeps: none holds NUL or a lone surrogate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from conformance.checks.api import ThreadsApi
from conformance.checks.expect import assert_that
from conformance.checks.messages import items_in, message_keys, texts_in, values_with_text
from conformance.checks.outcomes import Blocked, PromiseBroken
from conformance.deployment.settings import GraphSettings

#: Texts that look like escapes or markup; in lower case, since they are tried as keys as well.
_ESCAPES = (
    r"x \u0000 y",
    r"\\u0000",
    r"\ud800 z",
    r"line\nend\t",
    "\"double\" 'single' `back`",
    'c:\\path\\"',
    "%00 %2e%2e %s {} ${home}",
    "<b>&amp;</b> &#0;",
    '{"a": [null]}',
    "null",
)
#: Names of members that look like paths to a member `a` and further, or like an operator.
NAMES_LIKE_PATHS = ("a.b", "a/b", "a[0]", "$a", "a b", ".a")
#: A text of thousands of characters.
LONG = "x".join(["long"] * 2_000)
_BEYOND_ASCII = ("😀 👩‍👩‍👧", "e\u0301 n\u0303")
_LOOKALIKES = (*_ESCAPES, LONG, *_BEYOND_ASCII)
#: Sent to learn whether the graph keeps a text at all.
_PLAIN = ("plain text",)

#: Sends values through an API, and returns the values of the state afterwards.
Send = Callable[[ThreadsApi, dict[str, Any]], Any]


def metadata_of_lookalikes(*, beyond_ascii: bool = True) -> dict[str, Any]:
    """Return two members of metadata, with texts that look like escapes as values and as keys."""
    texts = [*_ESCAPES, LONG, *(_BEYOND_ASCII if beyond_ascii else ())]
    return {"texts": texts, "keys": dict.fromkeys(_ESCAPES, 1)}


def assert_lookalikes_kept(
    given: ThreadsApi, threads: ThreadsApi, send: Send, like: dict[str, Any]
) -> None:
    """Assert that all these texts are kept, sent in values of the form of `like`.

    `Blocked` where not even a plain text is kept: then the graph changes texts in this place.
    """
    graph = given.context.graph()
    try:
        missing = _not_kept(threads, send, like, _LOOKALIKES, graph)
        broken = None
    except PromiseBroken as refused:
        missing, broken = [], refused
    if (missing or broken) and _not_kept(given, send, like, _PLAIN, graph):
        raise Blocked("the graph does not keep a plain text in this place")
    if broken:
        raise broken
    lost = ", ".join(ascii(each) for each in missing)
    assert_that(not missing, "every text as sent", f"not in the values: {lost}")


def _not_kept(
    api: ThreadsApi, send: Send, like: dict[str, Any], texts: Sequence[str], graph: GraphSettings
) -> list[str]:
    """Send values with these texts, and return the texts that are not in the values afterwards."""
    values, sent = _values_with_texts(texts, graph, like)
    shown = set(texts_in(send(api, values)))
    return [each for each in sent if each not in shown]


def _values_with_texts(
    texts: Sequence[str], graph: GraphSettings, like: dict[str, Any]
) -> tuple[dict[str, Any], Sequence[str]]:
    """Return values that contain these texts, and the texts as they are in the values.

    Each text is in a message of its own or, where there are no messages, all are joined to one.
    """
    joined = "\n".join(texts)
    values = values_with_text(joined, graph, like)
    if not values:
        raise Blocked("the [graph] settings have no place for a text")
    messages = [key for key in message_keys(graph) if items_in(like, key)]
    for key in messages:
        kind = items_in(like, key)[0]["type"]
        values[key] = [{"type": kind, "content": each} for each in texts]
    return values, texts if messages else (joined,)
