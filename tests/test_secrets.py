"""Which values of headers and URLs are secret, and in which forms they are found."""

from __future__ import annotations

import base64
from math import ceil

import httpx
import pytest

from conformance.deployment.record.redaction import (
    REDACTED,
    Redactor,
    bare_url,
    query_secrets,
    stream_redactor,
    user_info_secrets,
)


@pytest.fixture
def fish() -> Redactor:
    # Made by each test: a mutant is there only while the tests run.
    return Redactor(secrets=["swordfish"])


# What is secret


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("x-anything", "swordfish", ["swordfish"]),
        ("Authorization", "Bearer token swordfish", ["Bearer token swordfish", "swordfish"]),
        ("Cookie", "a=swordfish; b=cods", ["swordfish", "cods"]),
        ("SET-COOKIE", 'a="tuna"; b= cods ;c', ["tuna", "cods"]),
        ("x-anything", 'id=swordfish, of="sardines",to=crab', ["swordfish", "sardines"]),
        ("x-anything", "a=barracud", ["barracud"]),
        ("Authorization", "Basic bWU6c3dvcmQ6ZmlzaA==", ["me:sword:fish", "sword:fish"]),
        ("Proxy-Authorization", "  bAsIc bWU6c3dvcmRmaXNo", ["me:swordfish", "swordfish"]),
        # A value also occurs with its own escapes decoded.
        ("x-anything", "sword%66ish", ["swordfish"]),
        ("x-anything", "sword\\u0066ish", ["swordfish"]),
    ],
)
def test_the_parts_of_a_header_that_are_secret_by_themselves(
    name: str, value: str, secret: list[str]
) -> None:
    redactor = Redactor([(name, value)])
    for each in (value, *secret):
        assert redactor.text(f"<{each}>") == f"<{REDACTED}>"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        # A short part stands in too many other places by chance.
        ("x-anything", "a=salmons", "salmons"),
        ("x-anything", "eel", "eel"),
        ("Authorization", "Basic eel", "eel"),
        # What is no base64 says nothing.
        ("Authorization", "Basic bWU6*c3dvcmRmaXNo", "swordfish"),
        ("Authorization", "Basic /////w==", "\ufffd\ufffd\ufffd\ufffd"),
        ("x-anything", "bWU6c3dvcmRmaXNo", "swordfish"),
    ],
)
def test_what_is_no_secret_by_itself_stays(name: str, value: str, text: str) -> None:
    assert Redactor([(name, value)]).text(text) == text


def test_of_a_secret_the_last_word_is_one_too() -> None:
    redactor = Redactor(secrets=["Bearer token swordfish"])
    assert redactor.text("swordfish Bearer token swordfish") == f"{REDACTED} {REDACTED}"
    assert redactor.text("Bearer token") == "Bearer token"


def test_secrets_of_four_characters_are_replaced_unless_longer_ones_are_asked_for() -> None:
    assert Redactor(secrets=["tuna", "eel"]).text("tuna eel") == f"{REDACTED} eel"
    assert Redactor(secrets=["sardines", "salmons"], shortest=8).text("sardines salmons") == (
        f"{REDACTED} salmons"
    )


def test_of_a_url_the_long_values_of_its_query_may_be_secret() -> None:
    url = httpx.URL("http://host/path?limit=3&a=salmons&b=sardines&b=swordfish")
    assert query_secrets(url) == ("sardines", "swordfish")


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        ("http://host", ()),
        ("http://me:swordfish@host", ("swordfish", "me:swordfish")),
        ("http://swordfish@host", ("swordfish", "swordfish:")),
        ("http://swordfish:@host", ("swordfish", "swordfish:")),
    ],
)
def test_the_secrets_of_user_and_password(url: str, secrets: tuple[str, ...]) -> None:
    assert user_info_secrets(httpx.URL(url)) == secrets


def test_in_the_output_of_a_command_only_long_credentials_are_replaced() -> None:
    redactor = stream_redactor(
        [("X-API-Key", "swordfish"), ("x-team", "sardines"), ("session", "salmons")], ["barracud"]
    )
    assert redactor.text("swordfish sardines salmons barracud") == (
        f"{REDACTED} sardines salmons {REDACTED}"
    )
    assert stream_redactor().text("swordfish") == "swordfish"


# Forms


@pytest.mark.parametrize(
    "written",
    [
        "swordfish",
        b"swordfish".hex(),
        b"swordfish".hex().upper(),
        base64.b64encode(b"swordfish").decode(),
    ],
)
def test_every_form_is_replaced_and_nothing_else(written: str, fish: Redactor) -> None:
    assert fish(f"<{written}> {written}") == f"<{REDACTED}> {REDACTED}"


def test_a_value_with_escapes_is_also_found_as_it_was_given() -> None:
    redactor = Redactor([("x-anything", "sword%66ish")])
    for written in (b"sword%66ish", b"swordfish"):
        encoded = base64.b64encode(written).decode()
        assert redactor.text(f"<{encoded}> <{written.hex()}>") == f"<{REDACTED}> <{REDACTED}>"


def test_a_blank_may_be_written_as_a_plus(fish: Redactor) -> None:
    redactor = Redactor(secrets=["sword fish"])
    assert redactor.text("sword+fish sword fish") == f"{REDACTED} {REDACTED}"
    assert fish.text("sword+fish") == "sword+fish"


def test_both_alphabets_of_base64_are_read() -> None:
    redactor = Redactor(secrets=["~~~???~~~"])
    for written in ("fn5+Pz8/fn5+", "fn5-Pz8_fn5-"):
        assert redactor.text(f"<{written}>") == f"<{REDACTED}>"


@pytest.mark.parametrize("secret", ["tuna", "cod's", "salmon", "swordfish"])
@pytest.mark.parametrize("before", range(7))
@pytest.mark.parametrize("after", range(4))
def test_in_base64_all_that_holds_bits_of_a_secret_is_replaced(
    secret: str, before: int, after: int
) -> None:
    encoded = base64.b64encode(b"a" * before + secret.encode() + b"z" * after).decode()
    left, right = 8 * before // 6, ceil(8 * (before + len(secret)) / 6)
    shown = Redactor(secrets=[secret]).text(f"<{encoded}>")
    assert shown.count(REDACTED) == 1
    kept_left, kept_right = shown[1:-1].split(REDACTED)
    # One character more on either side may go as well.
    assert kept_left in (encoded[:left], encoded[: max(left - 1, 0)])
    assert kept_right in (
        encoded[right:].rstrip("=") if not after else encoded[right:],
        encoded[right + 1 :],
    )


@pytest.mark.parametrize("padding", ["", "=", "==", "==="])
def test_the_padding_of_base64_goes_with_it(padding: str) -> None:
    written = base64.b64encode(b"barracudas").decode().rstrip("=")
    assert Redactor(secrets=["barracudas"]).text(f"{written}{padding}.") == f"{REDACTED}."


def test_a_secret_that_no_text_can_hold_is_found_all_the_same() -> None:
    odd = "\ud800swordfish"
    redactor = Redactor(secrets=[odd])
    data = odd.encode("utf-8", "surrogatepass")
    for written in (odd, data.hex(), base64.b64encode(data).decode()):
        assert redactor.text(f"<{written}>") == f"<{REDACTED}>"


def test_secrets_that_overlap_are_replaced_as_one() -> None:
    redactor = Redactor(secrets=["swordfish", "fishmonger", "word", "sardines"])
    assert redactor.text("a swordfishmonger's") == f"a {REDACTED}'s"
    assert redactor.text("swordfishsardines") == f"{REDACTED}{REDACTED}"
    assert redactor.text("a sword%66ishmonger's") == f"a {REDACTED}'s"


# Where secrets stand


def test_headers_are_shown_without_secrets() -> None:
    redactor = Redactor([("X-Team", "tuna")], ["swordfish"])
    headers = httpx.Headers(
        [
            ("X-TEAM", "cod"),
            ("Authorization", "x"),
            ("set-cookie", "y"),
            ("a", "swordfish"),
            ("b", "c"),
        ]
    )
    shown = (
        ("x-team", REDACTED),
        ("authorization", REDACTED),
        ("set-cookie", REDACTED),
        ("a", REDACTED),
        ("b", "c"),
    )
    assert redactor.headers(headers) == shown
    assert redactor.headers(headers) == shown


def test_json_is_shown_without_secrets_also_in_names(fish: Redactor) -> None:
    value = {"swordfish": ["swordfish", 5, None, {"a": "swordfish"}]}
    assert fish.json(value) == {REDACTED: [REDACTED, 5, None, {"a": REDACTED}]}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://me:tuna@host:1/a?b=swordfish", f"http://host:1/a?b={REDACTED}"),
        ("http://host:1/swordfish", f"http://host:1/{REDACTED}"),
        (httpx.URL("http://me@host/a"), "http://host/a"),
        ("http://me:tuna@host:port/swordfish", f"http://host:port/{REDACTED}"),
    ],
)
def test_a_url_is_recorded_without_secrets(
    url: httpx.URL | str, shown: str, fish: Redactor
) -> None:
    assert fish.url(url) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("  HTTPS://host/a  ", "HTTPS://host/a"),
        ("http://a@b@host/a", "http://host/a"),
        ("http://a%40b@host/a", "http://host/a"),
        ("http:\\\\me:tuna@host\\a?b", "http:\\\\host\\a"),
        ("http://host/a?b@c", "http://…"),
        ("http://" + "h" * 500, "http://" + "h" * 193),
        ("x" * 500 + "/a@b", "…"),
        # A password may hold any character.
        ("http://me:sword/fish\n@host", "http://…"),
    ],
)
def test_of_a_url_only_host_and_path_can_be_shown(text: str, shown: str) -> None:
    assert bare_url(text) == shown


def test_redactors_of_the_same_secrets_are_equal(fish: Redactor) -> None:
    same = Redactor([("x-other", "swordfish")])
    assert same == fish
    assert hash(same) == hash(fish)
    assert len({same, fish, Redactor()}) == 2
    assert Redactor() != fish
    assert fish != "swordfish"
