"""Faults that were written without sight of any check, and how many of them the suite finds."""
