"""The tests of the project import its own package."""

from conformance.rules import is_kept


def test_the_rule_is_kept() -> None:
    assert is_kept()
