"""Requests that find out, beside the checks, what stands at a URL."""
