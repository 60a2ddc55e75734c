"""The board: requirements against deployments, made of their reports."""
