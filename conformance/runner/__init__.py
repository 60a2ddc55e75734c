"""Runs of the checks: one session, its controller, its workers."""
