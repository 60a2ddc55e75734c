"""Variants of the user's credentials, and the guard, ledger and record they are sent under."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from conformance.deployment.connect import connect
from conformance.deployment.credential_variants import (
    REFUSALS,
    Headers,
    cut_credentials,
    other_credentials,
    own_headers,
    secret_headers,
    without_credentials,
    wrong_credentials,
)
from conformance.deployment.delivery.trouble import EXPECTED_STATUSES
from conformance.deployment.ownership.guard import GuardRefusal
from conformance.deployment.settings import Settings

MakeSettings = Callable[..., Settings]
URL = "http://127.0.0.1:1"
STRANGER = "8c0ffee0-0000-4000-8000-000000000000"


def basic(plain: str) -> str:
    return f"Basic {base64.b64encode(plain.encode()).decode()}"


@pytest.fixture
def having(settings_for: MakeSettings) -> Callable[..., Settings]:
    def make(*headers: tuple[str, str], url: str = URL, **options: Any) -> Settings:
        return settings_for(url, headers=headers, **options)

    return make


def test_what_is_no_credential_is_sent_all_the_same(having: Callable[..., Settings]) -> None:
    settings = having(("X-Region", "eu"), ("x-api-key", "abc123"))
    assert without_credentials(settings) == (("X-Region", "eu"),)
    assert cut_credentials(settings) == (("X-Region", "eu"), ("x-api-key", "abc12"))


def test_headers_of_names_that_tell_nothing_are_all_credentials(
    having: Callable[..., Settings],
) -> None:
    settings = having(("X-Who", "me"), ("X-Where", "here"))
    assert without_credentials(settings) == ()
    assert cut_credentials(settings) == (("X-Who", "m"), ("X-Where", "her"))


@pytest.mark.parametrize(
    ("value", "cut"),
    [
        ("abc123", "abc12"),
        ("Bearer abc.def", "Bearer abc.de"),
        (basic("user:secret"), basic("user:secre")),
        ("a=1; session=xyz", "a=1; session=xy"),
        ("x", ""),
        # No header may end in a space.
        ("Bearer x", "Bearer"),
    ],
)
def test_a_cut_credential_lacks_its_last_character(
    value: str, cut: str, having: Callable[..., Settings]
) -> None:
    assert cut_credentials(having(("Authorization", value))) == (("Authorization", cut),)


@pytest.mark.parametrize("value", ["abc123", "Bearer aZ0.bY1-cX2", "a", "7", "---", "sk-é"])
def test_a_wrong_credential_has_the_same_form(value: str, having: Callable[..., Settings]) -> None:
    settings = having(("Authorization", value))
    ((_, wrong),) = wrong_credentials(settings)
    assert wrong != value
    assert wrong.startswith(value.rpartition(" ")[0])
    assert len(wrong) in (len(value), len(value) + 1)
    # Each worker draws the same, so that each keeps it out of what it writes.
    assert wrong_credentials(settings) == (("Authorization", wrong),)


def test_a_wrong_basic_credential_is_of_the_same_user(having: Callable[..., Settings]) -> None:
    ((_, wrong),) = wrong_credentials(having(("Authorization", basic("user:secret"))))
    user, _, password = base64.b64decode(wrong.split()[1]).decode().partition(":")
    assert user == "user"
    assert password != "secret"
    assert len(password) == len("secret")


@pytest.mark.parametrize(
    ("own", "others", "sent"),
    [
        ([("x-api-key", "a")], [("x-api-key", "b")], [("x-api-key", "b")]),
        # Of two credentials of different kinds only the other tenant's is sent.
        ([("Authorization", "Bearer a")], [("X-Api-Key", "b")], [("X-Api-Key", "b")]),
        (
            [("X-Region", "eu"), ("x-api-key", "a")],
            [("x-api-key", "b")],
            [("X-Region", "eu"), ("x-api-key", "b")],
        ),
        # A tenant may be named beside one credential for all.
        (
            [("X-Tenant", "a"), ("Authorization", "t")],
            [("x-tenant", "b")],
            [("Authorization", "t"), ("x-tenant", "b")],
        ),
    ],
)
def test_the_headers_of_the_other_tenant(
    own: Headers, others: Headers, sent: Headers, having: Callable[..., Settings]
) -> None:
    settings = having(*own, other_headers=tuple(others))
    assert other_credentials(settings) == tuple(sent)


def test_user_and_password_of_the_url_are_a_credential(having: Callable[..., Settings]) -> None:
    settings = having(url="http://me:p%40ss@127.0.0.1:1", protected=True)
    assert own_headers(settings) == (("Authorization", basic("me:p@ss")),)
    assert without_credentials(settings) == ()
    assert cut_credentials(settings) == (("Authorization", basic("me:p@s")),)
    assert ("Authorization", basic("me:p@s")) in secret_headers(settings)


def test_settings_of_doors_reach_a_worker(having: Callable[..., Settings]) -> None:
    settings = having(("x-api-key", "a"), protected=True, other_headers=(("x-api-key", "b"),))
    assert Settings.from_json(settings.to_json()) == settings


class Noting(httpx.BaseTransport):
    """Answers 401, and keeps what it was asked."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(401, json={"detail": "no"}, request=request)


def test_other_credentials_go_out_under_the_same_guard_ledger_and_record(
    having: Callable[..., Settings],
) -> None:
    settings = having(("x-api-key", "key-of-mine"), url="http://me:word@127.0.0.1:1/base")
    noting = Noting()
    with connect(settings, make_transport=lambda: noting) as connection:
        client = connection.client_with((("x-api-key", "key-of-yours"),))
        assert connection.client_with((("x-api-key", "key-of-yours"),)) is client
        with connection.recorder.check("a check") as exchanges:
            own = client.ownership.new_id()
            assert client.get(own).status == 401
            with pytest.raises(GuardRefusal):
                client.delete(STRANGER)
        assert [each.operation for each in exchanges] == ["get"]
        assert connection.client.ownership.is_ours(own)
        connection.client.get(own)
    # Between them it was asked whose the stranger is.
    theirs, *_, mine = noting.requests
    assert theirs.headers["x-api-key"] == "key-of-yours"
    assert "authorization" not in theirs.headers
    assert theirs.url.path == f"/base/threads/{own}"
    assert theirs.extensions[EXPECTED_STATUSES] == REFUSALS == (401, 403)
    assert mine.headers["x-api-key"] == "key-of-mine"
    assert mine.headers["authorization"] == basic("me:word")
    assert EXPECTED_STATUSES not in mine.extensions
