"""Hostile servers and bad networks on which the suite is tried; run on demand, see README.md."""
