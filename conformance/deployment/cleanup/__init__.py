"""Removal of what runs created, and of nothing else."""
