"""Requests that are generated, or written out, to try operations with."""
