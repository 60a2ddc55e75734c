"""Hostile and unlucky worlds in which the suite is tried; run on demand, see README.md."""
