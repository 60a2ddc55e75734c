"""Baselines: accepted deviations, and which of them a run still shows."""
