"""The errors of launchers and of the start of a server."""

from __future__ import annotations


class LauncherError(Exception):
    """A launcher, version or option that cannot be used; the message says what to write."""


class NotStartedError(Exception):
    """A server could not be installed or started; the message ends with its last lines."""
