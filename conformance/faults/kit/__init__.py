"""The building blocks of faults."""
