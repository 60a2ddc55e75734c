"""Whether the checks notice what they should: faults against checks, the model against servers."""
