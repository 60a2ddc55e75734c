"""A rule of the project."""


def is_kept() -> bool:
    """Return whether the rule is kept."""
    return True
