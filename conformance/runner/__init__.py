"""Runs of the checks: a session, its controller and its workers."""
