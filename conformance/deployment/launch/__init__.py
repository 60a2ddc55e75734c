"""Servers that the suite starts itself, each described by a launcher file."""
