"""Which values of headers and URLs are secret, and in which forms they are found."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

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

SECRET = "sword fish/é?"


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("x-anything", "swordfish", ["swordfish"]),
        ("Authorization", "Bearer token swordfish", ["Bearer token swordfish", "swordfish"]),
        ("Cookie", "a=swordfish; b=sardines", ["swordfish", "sardines"]),
        ("SET-COOKIE", 'a="tuna"; b= cods ;c', ["tuna", "cods"]),
        ("x-anything", 'id=swordfish, of="sardines",to=crab', ["swordfish", "sardines"]),
        ("x-anything", "a=barracud", ["barracud"]),
        ("Authorization", "Basic bWU6c3dvcmQ6ZmlzaA==", ["me:sword:fish", "sword:fish"]),
        ("Proxy-Authorization", "  bAsIc bWU6c3dvcmRmaXNo", ["me:swordfish", "swordfish"]),
    ],
)
def test_the_parts_of_a_header_that_are_secret_by_themselves(
    name: str, value: str, secret: list[str]
) -> None:
    redactor = Redactor([(name, value)])
    for each in (value, *secret):
        assert redactor.text(f"<{each}>") == f"<{REDACTED}>"
