"""A secret is found in every form, whole, in any place; other text stays as it is."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest

from conformance.checks.expect import assert_that
from conformance.checks.outcomes import PromiseBroken
from conformance.deployment.connect import redactor_of
from conformance.deployment.record.exchange import QUOTED_BODY, Exchange
from conformance.deployment.record.redaction import REDACTED, Redactor, bare_url
from conformance.json_differences import differences
from conformance.runner.settings import new_settings
from conformance.safe_text import excerpt, harmless, redacting, safe_name
from tests.echoing import (
    API_KEY,
    BEARER,
    COOKIE,
    CUTS,
    PASSWORD,
    SECRETS,
    across_cuts,
    forms_of,
    leaks,
)

REDACTOR = Redactor(
    [
        ("x-api-key", API_KEY),
        ("Authorization", f"Bearer {BEARER}"),
        ("Cookie", f"theme=dark; session={COOKIE}"),
    ],
    [PASSWORD],
)


@pytest.mark.parametrize("form", forms_of(API_KEY))
@pytest.mark.parametrize("secret", SECRETS)
def test_every_form_of_a_secret_is_replaced(secret: str, form: str) -> None:
    written = forms_of(secret)[form]
    assert leaks(written), "the test finds what is to be replaced"
    for text in (written, f"before {written} after", f'{{"a": "{written}"}}'):
        shown = REDACTOR.text(text)
        assert REDACTED in shown
        assert not leaks(shown), shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        '{"a": "b", "messages": [{"content": "\\u00fc \\n \\"quoted\\""}]}',
        "http://127.0.0.1:2024/threads/1/history?limit=3&before=a%20b",
        "c:\\temp\\new &amp; &lt;b&gt; 100% &notanentity; \\",
        "theme=day; the session",
    ],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert REDACTOR.text(text) == text


def test_what_stands_around_a_secret_stays() -> None:
    assert Redactor(secrets=["swordfish"]).text("a%20sword%66ish&amp;b") == f"a%20{REDACTED}&amp;b"


def test_what_a_basic_credential_says_is_secret() -> None:
    redactor = Redactor([("Authorization", "Basic bWU6c3dvcmRmaXNo")])
    for said in ("swordfish", "me:swordfish", "bWU6c3dvcmRmaXNo", "Basic bWU6c3dvcmRmaXNo"):
        assert redactor.text(said) == REDACTED


def test_a_user_without_a_password_is_a_key(tmp_path: Path) -> None:
    redactor = redactor_of(new_settings("http://swordfish:@127.0.0.1:1", tmp_path))
    assert redactor.text("swordfish c3dvcmRmaXNoOg==") == f"{REDACTED} {REDACTED}"


def test_names_of_members_and_headers_are_replaced() -> None:
    assert REDACTOR.json({API_KEY: [{"a": COOKIE}]}) == {REDACTED: [{"a": REDACTED}]}
    headers = httpx.Headers({f"x-{COOKIE}": "1"})
    assert COOKIE.lower() not in str(Redactor(secrets=[COOKIE.lower()]).headers(headers))


@pytest.mark.parametrize(
    "piece", ["\\", "%25", "%", "&amp;", "&", "\\u0041", "ab\n", "=", "%252f", "\\\\x"]
)
def test_no_text_takes_longer_than_its_length(piece: str) -> None:
    def taken(times: int) -> float:
        text = piece * (times // len(piece))
        # Of this thread: what else the machine does is no time of its own.
        started = time.thread_time()
        REDACTOR.text(text)
        return time.thread_time() - started

    taken(10_000)
    least = min(taken(20_000) for _ in range(3))
    assert min(taken(200_000) for _ in range(2)) < 60 * max(least, 0.0005)


# ---- before anything is cut ---------------------------------------------------------


@pytest.mark.parametrize("width", CUTS)
@pytest.mark.parametrize("end", [False, True])
def test_an_excerpt_holds_no_part_of_a_secret(width: int, end: bool) -> None:
    text = across_cuts()
    assert leaks(text[:width])
    with redacting(REDACTOR):
        shown = excerpt(text, width, end=end)
        assert len(shown) == min(width, len(REDACTOR.text(text)))
        assert not leaks(shown)
    assert leaks(excerpt(text, width, end=False)), "only while the connection is open"


def test_what_a_check_says_holds_no_part_of_a_secret() -> None:
    with redacting(REDACTOR):
        with pytest.raises(PromiseBroken) as broken:
            assert_that(False, across_cuts(), across_cuts())
        assert not leaks(broken.value.expected + broken.value.actual)
        told = PromiseBroken.by_difference([across_cuts()], {"a": across_cuts()}, "it")
        assert not leaks("".join((told.expected, told.actual, *told.diff)))
        assert not leaks("".join(differences({"a": across_cuts()}, {"a": 1})))


def test_what_a_report_quotes_holds_no_part_of_a_secret() -> None:
    exchange = Exchange(
        check="",
        operation="get",
        method="GET",
        url="http://127.0.0.1",
        request_headers=(),
        request_body=None,
        started_at="2026-01-01T00:00:00Z",
        elapsed_ms=1.0,
        response_body=REDACTOR.text(across_cuts()),
    )
    quoted = exchange.summary()["response_body"]
    assert f"{quoted[QUOTED_BODY:]}".startswith("… (")
    assert not leaks(quoted)


# ---- URLs and names -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("htp://user:swordfish@host/x", "htp://host/x"),
        ("http://host:2024/base?key=swordfish#swordfish", "http://host:2024/base"),
        ("user:swordfish@host", "host"),
        ("http:/user:swordfish@host", "http:/host"),
        ("http:user:swordfish@host", "host"),
        ("http://user:sword/swordfish@host", "http://…"),
        ("http://user:sword?swordfish@host", "http://…"),
        ("http://user:sword#swordfish%40host", "http://…"),
        ("http://user:swordfish%40host", "http://host"),
        ("http://[swordfish@host", "http://host"),
        ("nonsense", "nonsense"),
        ("", ""),
        ("a\x1b[31m\n::b", "a\\u001b[31m\n::b"),
    ],
)
def test_a_url_is_shown_without_its_secrets(text: str, shown: str) -> None:
    assert bare_url(text) == shown


def test_a_recorded_url_keeps_its_query_and_no_user(tmp_path: Path) -> None:
    redactor = redactor_of(new_settings("http://me:swordfish@127.0.0.1:1/base", tmp_path))
    url = httpx.URL("http://me:swordfish@127.0.0.1:1/base/threads?limit=3&a=swordfish")
    assert redactor.url(url) == f"http://127.0.0.1:1/base/threads?limit=3&a={REDACTED}"
    assert "swordfish" not in redactor.url("http://me:swordfish@[")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("langgraph-api", "langgraph-api"),
        ("0.18.0.dev12+local", "0.18.0.dev12+local"),
        ("@scope/name", "@scope/name"),
        ("../../etc", "../../etc"),
        ("<script>[a](http://b)`|::\x1b", "_script_a_http_//b_u001b"),
        ("x" * 500, "x" * 79 + "_"),
    ],
)
def test_the_name_of_a_server_means_nothing(said: str, shown: str) -> None:
    assert safe_name(said) == shown


def test_lone_surrogates_and_controls_are_written_out() -> None:
    assert harmless("a\ud800\x00\x1b[2J\u202e\tb\nc") == "a\\ud800\\u0000\\u001b[2J\\u202e\tb\nc"


def test_what_is_remembered_of_headers_is_not_taken_where_they_are_decoded_otherwise() -> None:
    # httpx decodes all headers of a message by one encoding, which the others may change.
    text = (b"x-text", "\u00e9".encode())
    alone, beside = httpx.Headers([text]), httpx.Headers([text, (b"x-other", b"\xe9")])
    assert alone["x-text"] != beside["x-text"]
    redactor = Redactor(())
    for _ in range(2):
        for headers in (alone, beside):
            assert redactor.headers(headers) == tuple(headers.multi_items())
