"""What can go wrong with a server that we are to start."""

from __future__ import annotations


class LauncherError(Exception):
    """A launcher, a version or an option that cannot be used; the message says what to write."""


class NotStartedError(Exception):
    """A server could not be installed or started; the message ends with its own last lines."""
