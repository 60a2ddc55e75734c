"""Requests, apart from the checks, that find out which server is at a URL."""
