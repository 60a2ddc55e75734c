"""Runs of many servers side by side, for the board."""
