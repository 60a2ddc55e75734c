"""Conformance suite for servers of the LangGraph Server Threads API."""

__version__ = "0.1.0"
