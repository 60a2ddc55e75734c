"""Submissions: what a vendor sends for the board, a report or a launcher."""
