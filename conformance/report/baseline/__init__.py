"""Accepted deviations, and what of them a run still shows."""
