"""The suite called from Python: `from conformance import run`."""
